/* clang-format off */
/*
 * The engine of topic patterns without regular expressions: a nondeterministic finite automaton. It
 * is simulated with all of its states at once, so no pattern makes it backtrack.
 *
 * A pattern compiles to operations. For example, /a/:x{/b}*.json becomes:
 *
 *      prefix     operations                                                    suffix
 *     +-----+    0        1             2      3      4             5          +-------+
 *     | /a/ |    SEGMENT  SPLIT to 5    CHAR/  CHARb  SPLIT to 2    MATCH      | .json |
 *     +-----+             |             ^             |             ^          +-------+
 *                         |             +-------------+             |
 *                         +-----------------------------------------+
 *
 * Prefix and suffix are the plain bytes at both ends that no jump leads into or over. They are only
 * compared. A state of the automaton is an operation that waits for a byte. With the subject
 * /a/q/b.json the operations run on "q/b":
 *
 *     next byte   states     why
 *     q           0          the first operation
 *     /           0, 2, 5    SEGMENT takes the q and may go on; SPLIT leads to 2 and to 5
 *     b           3          2 takes the slash; SEGMENT does not take a delimiter, so 0 is gone
 *     (none)      2, 5       3 takes the b; SPLIT leads to 2 and to 5
 *
 * It matches because MATCH is among the states after the last byte.
 *
 * A match takes at most MRC_AUTOMATON_FREE_STEPS + MRC_AUTOMATON_STEPS_PER_BYTE * (length of the
 * subject) steps of a few nanoseconds each. A match that would take more fails.
 */
/* clang-format on */
#ifndef MRC_CORE_PATTERN_AUTOMATON_H
#define MRC_CORE_PATTERN_AUTOMATON_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/literal.h"

#define MRC_AUTOMATON_FREE_STEPS     100000
#define MRC_AUTOMATON_STEPS_PER_BYTE 16

enum mrc_op_code {
    MRC_OP_CHAR,    /* takes the byte ARG */
    MRC_OP_SET,     /* takes one byte of the sets ARG */
    MRC_OP_STAR,    /* takes any number of bytes of the sets ARG */
    MRC_OP_SEGMENT, /* takes one or more bytes other than the delimiter */
    MRC_OP_ANY,     /* takes any number of bytes */
    MRC_OP_SPLIT,   /* continues at the next operation, and at TO */
    MRC_OP_JUMP,    /* continues at TO */
    MRC_OP_MATCH    /* the end; mrc_automaton_create() adds it */
};

struct mrc_op {
    uint32_t to; /* the index of an operation; the number of operations stands for the end */
    uint8_t code;
    uint8_t arg;
};

/* The sets and the delimiter that the operations refer to. */
struct mrc_automaton_terms {
    const uint8_t *sets; /* for each of the 256 bytes, a bit for each set with it; a constant */
    char delimiter;      /* for MRC_OP_SEGMENT; NUL: none */
};

/* Immutable once made: any number of threads may match with it at the same time. */
struct mrc_automaton;

/* Makes an automaton from the COUNT OPS, which are copied. The caller frees it. MRC_ENOMEM. */
enum mrc_err mrc_automaton_create(const struct mrc_op *ops, size_t count,
                                  struct mrc_automaton_terms terms,
                                  struct mrc_automaton **ret_automaton);

/* Accepts NULL. */
void mrc_automaton_free(struct mrc_automaton *automaton);

/* Whether AUTOMATON matches the whole of SUBJECT. On MRC_ENOMEM, RET_MATCHES has no meaning. */
enum mrc_err mrc_automaton_match(const struct mrc_automaton *automaton, struct mrc_bytes subject,
                                 bool *ret_matches);

/* The literal text at the ends of everything that AUTOMATON matches; views of AUTOMATON. */
struct mrc_literal mrc_automaton_get_literal(const struct mrc_automaton *automaton);

/* Whether one byte of a subject may take more than MRC_AUTOMATON_FEW_OPS operations. */
#define MRC_AUTOMATON_FEW_OPS 32
bool mrc_automaton_is_costly(const struct mrc_automaton *automaton);

/* The memory of AUTOMATON in bytes. */
size_t mrc_automaton_size(const struct mrc_automaton *automaton);

#endif
