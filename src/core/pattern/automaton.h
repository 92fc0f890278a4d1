/*
 * The matcher behind topic patterns without regular expressions: a nondeterministic automaton,
 * simulated with all its states at once, so that no pattern backtracks.
 *
 *     literal prefix | operations | literal suffix
 *
 * Prefix and suffix, the plain bytes at both ends that no jump leads into or over, are compared;
 * the operations run. A match costs at most MRC_AUTOMATON_FREE_STEPS + MRC_AUTOMATON_STEPS_PER_BYTE
 * * (length of the subject) steps of a few nanoseconds; what would cost more does not match.
 */
#ifndef MRC_CORE_PATTERN_AUTOMATON_H
#define MRC_CORE_PATTERN_AUTOMATON_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/literal.h"

#define MRC_AUTOMATON_FREE_STEPS     100000
#define MRC_AUTOMATON_STEPS_PER_BYTE 16

enum mrc_op_code {
    MRC_OP_CHAR,    /* the byte ARG */
    MRC_OP_SET,     /* one byte of the sets ARG */
    MRC_OP_STAR,    /* any number of bytes of the sets ARG */
    MRC_OP_SEGMENT, /* one byte or more, none the delimiter */
    MRC_OP_ANY,     /* any bytes */
    MRC_OP_SPLIT,   /* go on behind it, or at TO */
    MRC_OP_JUMP,    /* go on at TO */
    MRC_OP_MATCH    /* the end; added by mrc_automaton_create() */
};

struct mrc_op {
    uint32_t to; /* the number of an operation; that behind the last one is the end */
    uint8_t code;
    uint8_t arg;
};

/* What operations mean besides themselves. */
struct mrc_automaton_terms {
    const uint8_t *sets; /* for each of the 256 bytes a bit for each set it is in; a constant */
    char delimiter;      /* of MRC_OP_SEGMENT; NUL: none */
};

/* Immutable once made: any number of threads may match with it at the same time. */
struct mrc_automaton;

/* Makes an automaton of the COUNT OPS, which are copied. MRC_ENOMEM. The caller frees it. */
enum mrc_err mrc_automaton_create(const struct mrc_op *ops, size_t count,
                                  struct mrc_automaton_terms terms,
                                  struct mrc_automaton **ret_automaton);

/* Accepts NULL. */
void mrc_automaton_free(struct mrc_automaton *automaton);

/* Whether AUTOMATON matches the whole of SUBJECT, in RET_MATCHES, which means nothing on
 * MRC_ENOMEM. */
enum mrc_err mrc_automaton_match(const struct mrc_automaton *automaton, struct mrc_bytes subject,
                                 bool *ret_matches);

/* What is literal at the ends of all that it matches; lives as long as it. */
struct mrc_literal mrc_automaton_get_literal(const struct mrc_automaton *automaton);

/*
 * Whether more than MRC_AUTOMATON_FEW_OPS operations may have to be tried for one byte of a
 * subject.
 */
#define MRC_AUTOMATON_FEW_OPS 32
bool mrc_automaton_is_costly(const struct mrc_automaton *automaton);

/* What it occupies, in bytes. */
size_t mrc_automaton_size(const struct mrc_automaton *automaton);

#endif
