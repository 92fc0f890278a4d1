#include "core/pattern/automaton.h"

#include <stdlib.h>

struct mrc_automaton {
    struct mrc_automaton_terms terms;
    size_t prefix_len;
    size_t suffix_len;
    size_t count;   /* of operations, including MRC_OP_MATCH */
    char *literals; /* the prefix, then the suffix; stored after the operations */
    struct mrc_op ops[];
};

/* ---- making -----------------------------------------------------------------------------------*/

static bool is_jump(const struct mrc_op *op)
{
    return op->code == MRC_OP_SPLIT || op->code == MRC_OP_JUMP;
}

/*
 * Finds the plain bytes at both ends that no operation jumps into or over. The prefix is everything
 * before RET_PREFIX_LEN, the suffix everything from RET_SUFFIX_AT on.
 */
static void find_ends(const struct mrc_op *ops, size_t count, size_t *ret_prefix_len,
                      size_t *ret_suffix_at)
{
    size_t first_jump = count, last_jump = 0;

    for (size_t i = 0; i < count; i++) {
        const struct mrc_op *op = &ops[i];

        if (op->code == MRC_OP_CHAR)
            continue;
        if (i < first_jump)
            first_jump = i;
        if (is_jump(op) && op->to < first_jump)
            first_jump = op->to;
        if (i + 1 > last_jump)
            last_jump = i + 1;
        if (is_jump(op) && op->to > last_jump)
            last_jump = op->to;
    }
    *ret_prefix_len = first_jump;
    *ret_suffix_at = first_jump == count ? count : last_jump;
}

enum mrc_err mrc_automaton_create(const struct mrc_op *ops, size_t count,
                                  struct mrc_automaton_terms terms,
                                  struct mrc_automaton **ret_automaton)
{
    size_t prefix_len, suffix_at, middle, suffix_len, ops_bytes;
    struct mrc_automaton *automaton;

    find_ends(ops, count, &prefix_len, &suffix_at);
    middle = suffix_at - prefix_len;
    suffix_len = count - suffix_at;
    ops_bytes = (middle + 1) * sizeof(*ops);
    automaton = malloc(sizeof(*automaton) + ops_bytes + prefix_len + suffix_len);
    if (!automaton)
        return MRC_ENOMEM;
    automaton->terms = terms;
    automaton->prefix_len = prefix_len;
    automaton->suffix_len = suffix_len;
    automaton->count = middle + 1;
    automaton->literals = (char *)automaton->ops + ops_bytes;
    for (size_t i = 0; i < prefix_len; i++)
        automaton->literals[i] = (char)ops[i].arg;
    for (size_t i = 0; i < middle; i++) {
        automaton->ops[i] = ops[prefix_len + i];
        if (is_jump(&automaton->ops[i]))
            automaton->ops[i].to -= (uint32_t)prefix_len;
    }
    automaton->ops[middle] = (struct mrc_op){.code = MRC_OP_MATCH};
    for (size_t i = 0; i < suffix_len; i++)
        automaton->literals[prefix_len + i] = (char)ops[suffix_at + i].arg;
    *ret_automaton = automaton;
    return MRC_OK;
}

void mrc_automaton_free(struct mrc_automaton *automaton)
{
    free(automaton);
}

size_t mrc_automaton_size(const struct mrc_automaton *automaton)
{
    return sizeof(*automaton) + automaton->count * sizeof(struct mrc_op) + automaton->prefix_len +
           automaton->suffix_len;
}

struct mrc_literal mrc_automaton_get_literal(const struct mrc_automaton *automaton)
{
    struct mrc_literal literal = {
        .prefix = {automaton->literals, automaton->prefix_len},
        .suffix = {automaton->literals + automaton->prefix_len, automaton->suffix_len},
        .is_whole = automaton->count == 1, /* MRC_OP_MATCH is the only operation */
    };

    if (literal.is_whole)
        literal.suffix = literal.prefix;
    return literal;
}

/* ---- matching ---------------------------------------------------------------------------------*/

/* Most automata have no more operations than this, and run without an allocation. */
#define SMALL_AUTOMATON 64

/*
 * A run of the automaton. NOW and NEXT are lists of operations that wait for a byte. SEEN holds,
 * for each operation, the byte at which it was last entered, so that it is entered once per byte.
 */
struct run {
    const struct mrc_automaton *automaton;
    uint32_t *now, *next, *stack;
    uint32_t *seen;
    size_t next_count;
    size_t steps_left;
    bool is_matching; /* the end is among the states after the last byte */
    bool is_certain;  /* it matches, whatever follows */
};

static bool is_segment_byte(const struct mrc_automaton *automaton, char c)
{
    return !automaton->terms.delimiter || c != automaton->terms.delimiter;
}

static bool is_in_sets(const struct mrc_automaton *automaton, const struct mrc_op *op, char c)
{
    return (automaton->terms.sets[(unsigned char)c] & op->arg) != 0;
}

static void push(struct run *run, size_t *depth, uint32_t op, uint32_t at)
{
    if (run->seen[op] == at)
        return;
    run->seen[op] = at;
    run->stack[(*depth)++] = op;
}

/* Enters OP, and every operation that it leads to without a byte, before the byte AT (from 1). */
static void enter(struct run *run, uint32_t op, uint32_t at)
{
    const struct mrc_op *ops = run->automaton->ops;
    size_t depth = 0;

    push(run, &depth, op, at);
    while (depth) {
        op = run->stack[--depth];
        if (run->steps_left)
            run->steps_left--;
        switch (ops[op].code) {
        case MRC_OP_MATCH:
            run->is_matching = true;
            break;
        case MRC_OP_SPLIT:
            push(run, &depth, op + 1, at);
            push(run, &depth, ops[op].to, at);
            break;
        case MRC_OP_JUMP:
            push(run, &depth, ops[op].to, at);
            break;
        case MRC_OP_STAR:
            push(run, &depth, op + 1, at);
            run->next[run->next_count++] = op;
            break;
        case MRC_OP_ANY:
            if (ops[op + 1].code == MRC_OP_MATCH)
                run->is_certain = true;
            push(run, &depth, op + 1, at);
            run->next[run->next_count++] = op;
            break;
        default:
            run->next[run->next_count++] = op;
            break;
        }
    }
}

/* If the operation OP takes the byte C, enters the operations after it. */
static void step(struct run *run, uint32_t op, char c, uint32_t at)
{
    const struct mrc_op *it = &run->automaton->ops[op];

    switch (it->code) {
    case MRC_OP_CHAR:
        if (it->arg == (unsigned char)c)
            enter(run, op + 1, at);
        break;
    case MRC_OP_SEGMENT:
        if (is_segment_byte(run->automaton, c)) {
            enter(run, op, at);
            enter(run, op + 1, at);
        }
        break;
    case MRC_OP_SET:
        if (is_in_sets(run->automaton, it, c))
            enter(run, op + 1, at);
        break;
    case MRC_OP_STAR: /* entering it, or MRC_OP_ANY, enters the next operation, too */
        if (is_in_sets(run->automaton, it, c))
            enter(run, op, at);
        break;
    default: /* MRC_OP_ANY */
        enter(run, op, at);
        break;
    }
}

static bool simulate(struct run *run, uint32_t first, struct mrc_bytes subject)
{
    enter(run, first, 1);
    for (size_t i = 0; i < subject.len && !run->is_certain; i++) {
        uint32_t *swap = run->now;
        size_t count = run->next_count;

        if (!count || count > run->steps_left)
            return false;
        run->steps_left -= count;
        run->now = run->next;
        run->next = swap;
        run->next_count = 0;
        run->is_matching = false;
        for (size_t j = 0; j < count; j++)
            step(run, run->now[j], subject.ptr[i], (uint32_t)i + 2);
    }
    return run->is_certain || run->is_matching;
}

/* The length of the segment at the front of SUBJECT. */
static size_t segment_len(const struct mrc_automaton *automaton, struct mrc_bytes subject)
{
    const char *end = NULL;

    if (automaton->terms.delimiter && subject.len)
        end = memchr(subject.ptr, automaton->terms.delimiter, subject.len);
    return end ? (size_t)(end - subject.ptr) : subject.len;
}

/* Whether the segment at OP can only end before a delimiter or at the end of the subject. */
static bool is_segment_plain(const struct mrc_automaton *automaton, uint32_t op)
{
    const struct mrc_op *next = &automaton->ops[op + 1];

    return next->code == MRC_OP_MATCH ||
           (next->code == MRC_OP_CHAR && !is_segment_byte(automaton, (char)next->arg));
}

enum verdict { MATCHES, DIFFERS, UNDECIDED };

/*
 * Runs the operations as long as there is only one way to continue. For most patterns that is up to
 * the end. On UNDECIDED, SUBJECT and OP are moved to where the simulation has to begin.
 */
static enum verdict run_plain_ops(const struct mrc_automaton *automaton, struct mrc_bytes *subject,
                                  uint32_t *op)
{
    for (;; (*op)++) {
        const struct mrc_op *it = &automaton->ops[*op];
        size_t len;

        switch (it->code) {
        case MRC_OP_MATCH:
            return subject->len ? DIFFERS : MATCHES;
        case MRC_OP_CHAR:
            if (!subject->len || (unsigned char)subject->ptr[0] != it->arg)
                return DIFFERS;
            len = 1;
            break;
        case MRC_OP_SEGMENT:
            if (!is_segment_plain(automaton, *op))
                return UNDECIDED;
            len = segment_len(automaton, *subject);
            if (!len)
                return DIFFERS;
            break;
        case MRC_OP_ANY:
            return it[1].code == MRC_OP_MATCH ? MATCHES : UNDECIDED;
        default:
            return UNDECIDED;
        }
        subject->ptr += len;
        subject->len -= len;
    }
}

bool mrc_automaton_is_costly(const struct mrc_automaton *automaton)
{
    uint32_t plain = 0; /* operations at the beginning that run_plain_ops() runs */

    for (;; plain++) {
        const struct mrc_op *op = &automaton->ops[plain];

        if (op->code == MRC_OP_MATCH)
            return false;
        if (op->code != MRC_OP_CHAR &&
            !(op->code == MRC_OP_SEGMENT && is_segment_plain(automaton, plain)))
            return automaton->count - plain > MRC_AUTOMATON_FEW_OPS;
    }
}

/* Simulates the automaton on SUBJECT, from the operation FIRST on. */
static enum mrc_err run_automaton(const struct mrc_automaton *automaton, uint32_t first,
                                  struct mrc_bytes subject, bool *ret_matches)
{
    uint32_t small[4 * SMALL_AUTOMATON];
    uint32_t *room = small;
    size_t count = automaton->count;
    struct run run = {.automaton = automaton};

    if (subject.len > UINT32_MAX - 2)
        return MRC_OK;
    if (count > SMALL_AUTOMATON) {
        room = reallocarray(NULL, count, 4 * sizeof(*room));
        if (!room)
            return MRC_ENOMEM;
    }
    run.now = room;
    run.next = room + count;
    run.stack = room + 2 * count;
    run.seen = room + 3 * count;
    memset(run.seen, 0, count * sizeof(*run.seen));
    run.steps_left = MRC_AUTOMATON_FREE_STEPS + MRC_AUTOMATON_STEPS_PER_BYTE * subject.len;
    *ret_matches = simulate(&run, first, subject);
    if (room != small)
        free(room);
    return MRC_OK;
}

enum mrc_err mrc_automaton_match(const struct mrc_automaton *automaton, struct mrc_bytes subject,
                                 bool *ret_matches)
{
    size_t prefix_len = automaton->prefix_len, suffix_len = automaton->suffix_len;
    const char *suffix = automaton->literals + prefix_len;
    uint32_t op = 0;

    *ret_matches = false;
    if (subject.len < prefix_len + suffix_len ||
        memcmp(subject.ptr, automaton->literals, prefix_len))
        return MRC_OK;
    subject.ptr += prefix_len;
    subject.len -= prefix_len + suffix_len;
    if (memcmp(subject.ptr + subject.len, suffix, suffix_len))
        return MRC_OK;
    switch (run_plain_ops(automaton, &subject, &op)) {
    case MATCHES:
        *ret_matches = true;
        return MRC_OK;
    case DIFFERS:
        return MRC_OK;
    case UNDECIDED:
        break;
    }
    return run_automaton(automaton, op, subject, ret_matches);
}
