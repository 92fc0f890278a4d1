#include "core/urlpattern_program.h"

#include <stdint.h>
#include <stdlib.h>

enum op_code {
    OP_CHAR,    /* this byte */
    OP_SEGMENT, /* one byte or more, none the delimiter */
    OP_ANY,     /* any bytes */
    OP_SPLIT,   /* go on behind it, or at TO */
    OP_MATCH
};

struct op {
    uint32_t to;
    uint8_t code;
    char c;
};

struct mrc_program {
    size_t prefix_len;
    size_t suffix_len;
    size_t count; /* of operations, OP_MATCH included */
    char delimiter;
    bool has_delimiter;
    char *literals; /* the prefix, then the suffix; behind the operations */
    struct op ops[];
};

/* ---- compiling ---------------------------------------------------------------------------------
 */

/* The operations of all parts first; what of them is prefix and suffix is found afterwards. */
struct builder {
    struct op *ops;
    size_t count;
    size_t prefix_len; /* operations at the front that are plain bytes outside of any group */
    size_t suffix_at;  /* where those at the end begin */
    size_t target;     /* the last place that something jumps to */
};

static void emit(struct builder *builder, enum op_code code, char c, size_t to)
{
    builder->ops[builder->count++] = (struct op){.to = (uint32_t)to, .code = (uint8_t)code, .c = c};
}

static void emit_text(struct builder *builder, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        emit(builder, OP_CHAR, text.ptr[i], 0);
}

/* A wildcard; two that swallow everything are one, unless a jump leads between them. */
static void emit_wildcard(struct builder *builder, enum mrc_part_type type)
{
    bool is_any = type == MRC_PART_FULL;

    if (is_any && builder->count && builder->count != builder->target &&
        builder->ops[builder->count - 1].code == OP_ANY)
        return;
    emit(builder, is_any ? OP_ANY : OP_SEGMENT, 0, 0);
}

/* What PART means once, without its modifier. */
static void emit_once(struct builder *builder, const struct mrc_part_list *list,
                      const struct mrc_part *part)
{
    if (part->type == MRC_PART_FIXED) {
        emit_text(builder, mrc_part_text(list, part->value));
        return;
    }
    emit_text(builder, mrc_part_text(list, part->prefix));
    emit_wildcard(builder, part->type);
    emit_text(builder, mrc_part_text(list, part->suffix));
}

/* PART with its modifier: skipped by a split before it, repeated by one behind it. */
static void emit_part(struct builder *builder, const struct mrc_part_list *list,
                      const struct mrc_part *part)
{
    enum mrc_part_modifier modifier = part->modifier;
    bool is_bare = part->type != MRC_PART_FIXED && !part->prefix.len && !part->suffix.len;
    bool may_repeat, may_miss;
    size_t start, repeat_at;

    if (is_bare && part->type == MRC_PART_FULL)
        modifier = MRC_PART_ONCE; /* it matches nothing, and repetitions of itself, already */
    may_miss = modifier == MRC_PART_OPTIONAL || modifier == MRC_PART_ZERO_OR_MORE;
    may_repeat = modifier == MRC_PART_ZERO_OR_MORE || modifier == MRC_PART_ONE_OR_MORE;
    if (is_bare)
        may_repeat = false; /* so do the repetitions of a bare segment */
    start = builder->count;
    if (may_miss)
        emit(builder, OP_SPLIT, 0, 0);
    repeat_at = builder->count;
    if (may_repeat)
        builder->target = repeat_at;
    emit_once(builder, list, part);
    if (may_repeat)
        emit(builder, OP_SPLIT, 0, repeat_at);
    if (may_miss) {
        builder->ops[start].to = (uint32_t)builder->count;
        builder->target = builder->count;
    }
}

/* An upper bound of the operations that LIST compiles to. */
static size_t bound_ops(const struct mrc_part_list *list)
{
    size_t bound = 1;

    for (size_t i = 0; i < list->count; i++) {
        const struct mrc_part *part = &list->parts[i];

        bound += part->prefix.len + part->value.len + part->suffix.len + 3;
    }
    return bound;
}

/*
 * Counts as prefix and suffix the plain bytes at both ends that nothing jumps into or over: no
 * group with a modifier may begin or end within them.
 */
static void find_ends(struct builder *builder)
{
    size_t first_jump = builder->count, last_jump = 0;

    for (size_t i = 0; i < builder->count; i++) {
        const struct op *op = &builder->ops[i];

        if (op->code == OP_CHAR)
            continue;
        if (i < first_jump)
            first_jump = i;
        if (op->code == OP_SPLIT && op->to < first_jump)
            first_jump = op->to;
        if (i + 1 > last_jump)
            last_jump = i + 1;
        if (op->code == OP_SPLIT && op->to > last_jump)
            last_jump = op->to;
    }
    builder->prefix_len = first_jump;
    builder->suffix_at = first_jump == builder->count ? builder->count : last_jump;
}

/* Cuts the finished program out of what BUILDER holds. */
static enum mrc_err cut(const struct builder *builder, struct mrc_program **ret_program)
{
    size_t middle = builder->suffix_at - builder->prefix_len;
    size_t suffix_len = builder->count - builder->suffix_at;
    struct mrc_program *program;
    size_t ops_bytes = (middle + 1) * sizeof(struct op);

    program = malloc(sizeof(*program) + ops_bytes + builder->prefix_len + suffix_len);
    if (!program)
        return MRC_ENOMEM;
    program->prefix_len = builder->prefix_len;
    program->suffix_len = suffix_len;
    program->count = middle + 1;
    program->literals = (char *)program->ops + ops_bytes;
    for (size_t i = 0; i < builder->prefix_len; i++)
        program->literals[i] = builder->ops[i].c;
    for (size_t i = 0; i < middle; i++) {
        program->ops[i] = builder->ops[builder->prefix_len + i];
        if (program->ops[i].code == OP_SPLIT)
            program->ops[i].to -= (uint32_t)builder->prefix_len;
    }
    program->ops[middle] = (struct op){.code = OP_MATCH};
    for (size_t i = 0; i < suffix_len; i++)
        program->literals[builder->prefix_len + i] = builder->ops[builder->suffix_at + i].c;
    *ret_program = program;
    return MRC_OK;
}

enum mrc_err mrc_program_compile(const struct mrc_part_list *list, struct mrc_program **ret_program)
{
    size_t bound = bound_ops(list);
    struct builder builder = {.target = SIZE_MAX};
    enum mrc_err err;

    if (bound > UINT32_MAX / sizeof(*builder.ops))
        return MRC_ENOMEM;
    builder.ops = calloc(bound, sizeof(*builder.ops));
    if (!builder.ops)
        return MRC_ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        emit_part(&builder, list, &list->parts[i]);
    find_ends(&builder);
    err = cut(&builder, ret_program);
    free(builder.ops);
    if (err)
        return err;
    (*ret_program)->delimiter = list->delimiter;
    (*ret_program)->has_delimiter = list->delimiter != 0;
    return MRC_OK;
}

void mrc_program_free(struct mrc_program *program)
{
    free(program);
}

size_t mrc_program_size(const struct mrc_program *program)
{
    return sizeof(*program) + program->count * sizeof(struct op) + program->prefix_len +
           program->suffix_len;
}

/* ---- matching ----------------------------------------------------------------------------------
 */

/* The programs of nearly all patterns are smaller than this, and need no allocation to run. */
#define SMALL_PROGRAM 64

/*
 * A run of the automaton. NOW and NEXT are lists of operations waiting for a byte; SEEN tells at
 * which byte an operation was last entered, so that it is entered once for each.
 */
struct run {
    const struct mrc_program *program;
    uint32_t *now, *next, *stack;
    uint32_t *seen;
    size_t next_count;
    size_t steps_left;
    bool is_matching; /* the state after the last byte is an accepting one */
    bool is_certain;  /* whatever follows, it matches */
};

static bool is_segment_byte(const struct mrc_program *program, char c)
{
    return !program->has_delimiter || c != program->delimiter;
}

static void push(struct run *run, size_t *depth, uint32_t op, uint32_t at)
{
    if (run->seen[op] == at)
        return;
    run->seen[op] = at;
    run->stack[(*depth)++] = op;
}

/* Enters operation OP, and all that is reached from it without a byte, before byte AT (from 1). */
static void enter(struct run *run, uint32_t op, uint32_t at)
{
    const struct op *ops = run->program->ops;
    size_t depth = 0;

    push(run, &depth, op, at);
    while (depth) {
        op = run->stack[--depth];
        if (run->steps_left)
            run->steps_left--;
        switch (ops[op].code) {
        case OP_MATCH:
            run->is_matching = true;
            break;
        case OP_SPLIT:
            push(run, &depth, op + 1, at);
            push(run, &depth, ops[op].to, at);
            break;
        case OP_ANY:
            if (ops[op + 1].code == OP_MATCH)
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

/* Lets the operation OP take byte C, and enters what may come after it. */
static void step(struct run *run, uint32_t op, char c, uint32_t at)
{
    const struct op *it = &run->program->ops[op];

    switch (it->code) {
    case OP_CHAR:
        if (it->c == c)
            enter(run, op + 1, at);
        break;
    case OP_SEGMENT:
        if (is_segment_byte(run->program, c)) {
            enter(run, op, at);
            enter(run, op + 1, at);
        }
        break;
    default: /* OP_ANY, which enters what is behind it by itself */
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

/* How many bytes the segment at the front of SUBJECT has. */
static size_t segment_len(const struct mrc_program *program, struct mrc_bytes subject)
{
    const char *end = NULL;

    if (program->has_delimiter && subject.len)
        end = memchr(subject.ptr, program->delimiter, subject.len);
    return end ? (size_t)(end - subject.ptr) : subject.len;
}

/* Whether the segment at OP can end at one place only: before a delimiter, or at the very end. */
static bool is_segment_plain(const struct mrc_program *program, uint32_t op)
{
    const struct op *next = &program->ops[op + 1];

    return next->code == OP_MATCH || (next->code == OP_CHAR && !is_segment_byte(program, next->c));
}

enum verdict { MATCHES, DIFFERS, UNDECIDED };

/*
 * Runs the operations as long as there is only one way to go on, which for most patterns is to the
 * end. Otherwise SUBJECT and OP are where the automaton has to begin.
 */
static enum verdict run_plain_ops(const struct mrc_program *program, struct mrc_bytes *subject,
                                  uint32_t *op)
{
    for (;; (*op)++) {
        const struct op *it = &program->ops[*op];
        size_t len;

        switch (it->code) {
        case OP_MATCH:
            return subject->len ? DIFFERS : MATCHES;
        case OP_CHAR:
            if (!subject->len || subject->ptr[0] != it->c)
                return DIFFERS;
            len = 1;
            break;
        case OP_SEGMENT:
            if (!is_segment_plain(program, *op))
                return UNDECIDED;
            len = segment_len(program, *subject);
            if (!len)
                return DIFFERS;
            break;
        case OP_ANY:
            return it[1].code == OP_MATCH ? MATCHES : UNDECIDED;
        default:
            return UNDECIDED;
        }
        subject->ptr += len;
        subject->len -= len;
    }
}

/* The automaton, from the operation FIRST on, on what is left of the subject. */
static enum mrc_err run_automaton(const struct mrc_program *program, uint32_t first,
                                  struct mrc_bytes subject, bool *ret_matches)
{
    uint32_t small[4 * SMALL_PROGRAM];
    uint32_t *room = small;
    size_t count = program->count;
    struct run run = {.program = program};

    *ret_matches = false;
    if (subject.len > UINT32_MAX - 2)
        return MRC_OK;
    if (count > SMALL_PROGRAM) {
        room = reallocarray(NULL, count, 4 * sizeof(*room));
        if (!room)
            return MRC_ENOMEM;
    }
    run.now = room;
    run.next = room + count;
    run.stack = room + 2 * count;
    run.seen = room + 3 * count;
    memset(run.seen, 0, count * sizeof(*run.seen));
    run.steps_left = MRC_PROGRAM_FREE_STEPS + MRC_PROGRAM_STEPS_PER_BYTE * subject.len;
    *ret_matches = simulate(&run, first, subject);
    if (room != small)
        free(room);
    return MRC_OK;
}

enum mrc_err mrc_program_match(const struct mrc_program *program, struct mrc_bytes subject,
                               bool *ret_matches)
{
    size_t prefix_len = program->prefix_len, suffix_len = program->suffix_len;
    const char *suffix = program->literals + prefix_len;
    uint32_t op = 0;

    *ret_matches = false;
    if (subject.len < prefix_len + suffix_len || memcmp(subject.ptr, program->literals, prefix_len))
        return MRC_OK;
    subject.ptr += prefix_len;
    subject.len -= prefix_len + suffix_len;
    if (memcmp(subject.ptr + subject.len, suffix, suffix_len))
        return MRC_OK;
    switch (run_plain_ops(program, &subject, &op)) {
    case MATCHES:
        *ret_matches = true;
        return MRC_OK;
    case DIFFERS:
        return MRC_OK;
    case UNDECIDED:
        break;
    }
    return run_automaton(program, op, subject, ret_matches);
}
