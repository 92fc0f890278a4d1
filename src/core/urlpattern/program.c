#include "core/urlpattern/program.h"

#include <stdint.h>
#include <stdlib.h>

struct builder {
    struct mrc_op *ops;
    size_t count;
    size_t target; /* the last operation that a jump leads to */
};

static void emit(struct builder *builder, enum mrc_op_code code, char c, size_t to)
{
    builder->ops[builder->count++] =
        (struct mrc_op){.to = (uint32_t)to, .code = (uint8_t)code, .arg = (uint8_t)c};
}

static void emit_text(struct builder *builder, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        emit(builder, MRC_OP_CHAR, text.ptr[i], 0);
}

/* Emits a wildcard. Two adjacent ANY are one, unless a jump leads between them. */
static void emit_wildcard(struct builder *builder, enum mrc_urlpattern_part_type type)
{
    bool is_any = type == MRC_URLPATTERN_PART_FULL;

    if (is_any && builder->count && builder->count != builder->target &&
        builder->ops[builder->count - 1].code == MRC_OP_ANY)
        return;
    emit(builder, is_any ? MRC_OP_ANY : MRC_OP_SEGMENT, 0, 0);
}

/* Emits PART without its modifier. */
static void emit_once(struct builder *builder, const struct mrc_urlpattern_part_list *list,
                      const struct mrc_urlpattern_part *part)
{
    if (part->type == MRC_URLPATTERN_PART_FIXED) {
        emit_text(builder, mrc_urlpattern_part_text(list, part->value));
        return;
    }
    emit_text(builder, mrc_urlpattern_part_text(list, part->prefix));
    emit_wildcard(builder, part->type);
    emit_text(builder, mrc_urlpattern_part_text(list, part->suffix));
}

/* Emits PART with its modifier: a SPLIT before it skips it, a SPLIT after it repeats it. */
static void emit_part(struct builder *builder, const struct mrc_urlpattern_part_list *list,
                      const struct mrc_urlpattern_part *part)
{
    enum mrc_urlpattern_part_modifier modifier = part->modifier;
    bool is_bare =
        part->type != MRC_URLPATTERN_PART_FIXED && !part->prefix.len && !part->suffix.len;
    bool may_repeat, may_miss;
    size_t start, repeat_at;

    if (is_bare && part->type == MRC_URLPATTERN_PART_FULL)
        modifier = MRC_URLPATTERN_PART_ONCE; /* it already matches no text, and any repetition */
    may_miss =
        modifier == MRC_URLPATTERN_PART_OPTIONAL || modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE;
    may_repeat =
        modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE || modifier == MRC_URLPATTERN_PART_ONE_OR_MORE;
    if (is_bare)
        may_repeat = false; /* a bare segment already matches its repetitions */
    start = builder->count;
    if (may_miss)
        emit(builder, MRC_OP_SPLIT, 0, 0);
    repeat_at = builder->count;
    if (may_repeat)
        builder->target = repeat_at;
    emit_once(builder, list, part);
    if (may_repeat)
        emit(builder, MRC_OP_SPLIT, 0, repeat_at);
    if (may_miss) {
        builder->ops[start].to = (uint32_t)builder->count;
        builder->target = builder->count;
    }
}

/* An upper bound of the number of operations of LIST. */
static size_t bound_ops(const struct mrc_urlpattern_part_list *list)
{
    size_t bound = 1;

    for (size_t i = 0; i < list->count; i++) {
        const struct mrc_urlpattern_part *part = &list->parts[i];

        bound += part->prefix.len + part->value.len + part->suffix.len + 3;
    }
    return bound;
}

enum mrc_err mrc_urlpattern_program_compile(const struct mrc_urlpattern_part_list *list,
                                            struct mrc_automaton **ret_program)
{
    const struct mrc_automaton_terms terms = {.delimiter = list->delimiter};
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
    err = mrc_automaton_create(builder.ops, builder.count, terms, ret_program);
    free(builder.ops);
    return err;
}
