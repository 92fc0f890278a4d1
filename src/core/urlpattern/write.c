/* Part lists written back as pattern strings. */
#include "core/urlpattern/part.h"

#include "core/base/utf8.h"
#include "core/urlpattern/tokenize.h"

void mrc_urlpattern_part_escape(struct mrc_buf *out, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("+*?:{}()\\", text.ptr[i], 9))
            mrc_buf_add_char(out, '\\');
        mrc_buf_add_char(out, text.ptr[i]);
    }
}

static void add_modifier(struct mrc_buf *out, enum mrc_urlpattern_part_modifier modifier)
{
    if (modifier == MRC_URLPATTERN_PART_OPTIONAL)
        mrc_buf_add_char(out, '?');
    else if (modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE)
        mrc_buf_add_char(out, '*');
    else if (modifier == MRC_URLPATTERN_PART_ONE_OR_MORE)
        mrc_buf_add_char(out, '+');
}

static bool starts_like_name(struct mrc_bytes text)
{
    uint32_t cp;

    if (!text.len)
        return false;
    mrc_utf8_decode(text, &cp, NULL);
    return mrc_urlpattern_is_name_cp(cp, false);
}

static bool has_number(const struct mrc_urlpattern_part_list *list,
                       const struct mrc_urlpattern_part *part)
{
    struct mrc_bytes name = mrc_urlpattern_part_text(list, part->name);

    return name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9';
}

/* Whether the group PART would read as something else without braces around it. */
static bool needs_braces(const struct mrc_urlpattern_part_list *list, size_t i)
{
    const struct mrc_urlpattern_part *part = &list->parts[i];
    const struct mrc_urlpattern_part *before = i ? part - 1 : NULL;
    const struct mrc_urlpattern_part *next = i + 1 < list->count ? part + 1 : NULL;
    struct mrc_bytes prefix = mrc_urlpattern_part_text(list, part->prefix);

    if (part->suffix.len)
        return true;
    if (prefix.len && (prefix.len != 1 || prefix.ptr[0] != list->prefix))
        return true;
    if (!has_number(list, part) && part->type == MRC_URLPATTERN_PART_SEGMENT &&
        part->modifier == MRC_URLPATTERN_PART_ONCE && next && !next->prefix.len &&
        !next->suffix.len) {
        if (next->type == MRC_URLPATTERN_PART_FIXED
                ? starts_like_name(mrc_urlpattern_part_text(list, next->value))
                : has_number(list, next))
            return true;
    }
    if (!prefix.len && before && before->type == MRC_URLPATTERN_PART_FIXED && before->value.len) {
        struct mrc_bytes value = mrc_urlpattern_part_text(list, before->value);

        return value.ptr[value.len - 1] == list->prefix;
    }
    return false;
}

static void write_group(const struct mrc_urlpattern_part_list *list, size_t i, struct mrc_buf *out)
{
    const struct mrc_urlpattern_part *part = &list->parts[i];
    const struct mrc_urlpattern_part *before = i ? part - 1 : NULL;
    bool in_braces = needs_braces(list, i);
    bool is_named = !has_number(list, part);

    if (in_braces)
        mrc_buf_add_char(out, '{');
    mrc_urlpattern_part_escape(out, mrc_urlpattern_part_text(list, part->prefix));
    if (is_named) {
        mrc_buf_add_char(out, ':');
        mrc_buf_add_bytes(out, mrc_urlpattern_part_text(list, part->name));
    }
    if (part->type == MRC_URLPATTERN_PART_REGEXP) {
        mrc_buf_add_char(out, '(');
        mrc_buf_add_bytes(out, mrc_urlpattern_part_text(list, part->value));
        mrc_buf_add_char(out, ')');
    } else if (part->type == MRC_URLPATTERN_PART_SEGMENT && !is_named) {
        mrc_buf_add_str(out, "([^");
        if (list->delimiter) {
            mrc_buf_add_char(out, '\\');
            mrc_buf_add_char(out, list->delimiter);
        }
        mrc_buf_add_str(out, "]+?)");
    } else if (part->type == MRC_URLPATTERN_PART_FULL) {
        if (!is_named &&
            (!before || before->type == MRC_URLPATTERN_PART_FIXED ||
             before->modifier != MRC_URLPATTERN_PART_ONCE || in_braces || part->prefix.len))
            mrc_buf_add_char(out, '*');
        else
            mrc_buf_add_str(out, "(.*)");
    }
    if (part->type == MRC_URLPATTERN_PART_SEGMENT && is_named &&
        starts_like_name(mrc_urlpattern_part_text(list, part->suffix)))
        mrc_buf_add_char(out, '\\');
    mrc_urlpattern_part_escape(out, mrc_urlpattern_part_text(list, part->suffix));
    if (in_braces)
        mrc_buf_add_char(out, '}');
    add_modifier(out, part->modifier);
}

void mrc_urlpattern_part_list_write(const struct mrc_urlpattern_part_list *list,
                                    struct mrc_buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct mrc_urlpattern_part *part = &list->parts[i];

        if (part->type != MRC_URLPATTERN_PART_FIXED) {
            write_group(list, i, out);
        } else if (part->modifier == MRC_URLPATTERN_PART_ONCE) {
            mrc_urlpattern_part_escape(out, mrc_urlpattern_part_text(list, part->value));
        } else {
            mrc_buf_add_char(out, '{');
            mrc_urlpattern_part_escape(out, mrc_urlpattern_part_text(list, part->value));
            mrc_buf_add_char(out, '}');
            add_modifier(out, part->modifier);
        }
    }
}

/* ---- literal text ------------------------------------------------------------------------------
 */

/* How many parts at one end of LIST are text that is there once. */
static size_t count_fixed(const struct mrc_urlpattern_part_list *list, bool suffix)
{
    size_t count = 0;

    while (count < list->count) {
        const struct mrc_urlpattern_part *part =
            &list->parts[suffix ? list->count - 1 - count : count];

        if (part->type != MRC_URLPATTERN_PART_FIXED || part->modifier != MRC_URLPATTERN_PART_ONCE)
            break;
        count++;
    }
    return count;
}

/* What the first, or last, part that is not of that kind begins, or ends, with: if it has to be
 * there. */
static struct mrc_bytes literal_of(const struct mrc_urlpattern_part_list *list,
                                   const struct mrc_urlpattern_part *part, bool suffix)
{
    if (part->modifier == MRC_URLPATTERN_PART_OPTIONAL ||
        part->modifier == MRC_URLPATTERN_PART_ZERO_OR_MORE)
        return (struct mrc_bytes){"", 0};
    if (part->type == MRC_URLPATTERN_PART_FIXED)
        return mrc_urlpattern_part_text(list, part->value);
    return mrc_urlpattern_part_text(list, suffix ? part->suffix : part->prefix);
}

void mrc_urlpattern_part_list_write_literal(const struct mrc_urlpattern_part_list *list,
                                            bool suffix, struct mrc_buf *out)
{
    size_t fixed = count_fixed(list, suffix);
    bool has_more = fixed < list->count;
    size_t first = suffix ? list->count - fixed : 0;

    if (suffix && has_more)
        mrc_buf_add_bytes(out, literal_of(list, &list->parts[first - 1], true));
    for (size_t i = first; i < first + fixed; i++)
        mrc_buf_add_bytes(out, mrc_urlpattern_part_text(list, list->parts[i].value));
    if (!suffix && has_more)
        mrc_buf_add_bytes(out, literal_of(list, &list->parts[fixed], false));
}
