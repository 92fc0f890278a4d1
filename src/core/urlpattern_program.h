/*
 * The matcher of components without regular expressions: fixed text, wildcards, modifiers.
 *
 * A component compiles to
 *
 *     literal prefix | operations | literal suffix
 *
 * Prefix and suffix are compared; the operations are a nondeterministic automaton, simulated with
 * all its states at once, so that no pattern backtracks. A match costs at most
 * MRC_PROGRAM_FREE_STEPS + MRC_PROGRAM_STEPS_PER_BYTE * (length of the subject) steps of a few
 * nanoseconds; what would cost more does not match.
 */
#ifndef MRC_CORE_URLPATTERN_PROGRAM_H
#define MRC_CORE_URLPATTERN_PROGRAM_H

#include "core/bytes.h"
#include "core/err.h"
#include "core/urlpattern_part.h"

#define MRC_PROGRAM_FREE_STEPS     100000
#define MRC_PROGRAM_STEPS_PER_BYTE 16

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_program;

/*
 * Compiles LIST, which has no MRC_PART_REGEXP and is not kept. MRC_ENOMEM. The caller frees
 * RET_PROGRAM.
 */
enum mrc_err mrc_program_compile(const struct mrc_part_list *list,
                                 struct mrc_program **ret_program);

/* Accepts NULL. */
void mrc_program_free(struct mrc_program *program);

/* Whether PROGRAM matches the whole of SUBJECT, in RET_MATCHES, which means nothing on
 * MRC_ENOMEM. */
enum mrc_err mrc_program_match(const struct mrc_program *program, struct mrc_bytes subject,
                               bool *ret_matches);

/* What the program occupies, in bytes. */
size_t mrc_program_size(const struct mrc_program *program);

#endif
