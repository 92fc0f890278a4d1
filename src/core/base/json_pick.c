#include "core/base/json_pick.h"

#include "core/base/json.h"
#include "core/base/json_scan.h"
#include "core/base/utf8.h"

/*
 * The parser gets a copy of the text in which the members that are not used are null. They keep
 * their names, so that the parser finds duplicates; only a name that the parser refuses goes.
 *
 *     {"iss":"a","name":"\ud83d","\u0000":[[]]}   ->   {"iss":"a","name":null}
 */
struct picker {
    struct mrc_json_scan scan;
    struct mrc_buf out;
};

static const struct mrc_json_pick *find(const struct mrc_json_pick *picks, struct mrc_bytes name)
{
    while (picks->name && !mrc_json_scan_equals(name, picks->name))
        picks++;
    return picks->name ? picks : NULL;
}

static enum mrc_err pick_value(struct picker *picker, const struct mrc_json_pick *pick,
                               struct mrc_bytes *ret_value);

/* Copies a member, or its name and null. RET_NAME and RET_VALUE are those of the text. */
static enum mrc_err pick_member(struct picker *picker, const struct mrc_json_pick *picks,
                                struct mrc_bytes *ret_name, struct mrc_bytes *ret_value)
{
    const struct mrc_json_pick *pick;
    enum mrc_err err;

    err = mrc_json_scan_string(&picker->scan, ret_name);
    if (err)
        return err;
    if (!mrc_json_scan_take(&picker->scan, ':'))
        return mrc_json_scan_refuse(&picker->scan);
    pick = find(picks, *ret_name);
    if (!pick && !mrc_json_scan_is_text(*ret_name))
        return mrc_json_scan_value(&picker->scan, ret_value);
    if (picker->out.ptr[picker->out.len - 1] != '{')
        mrc_buf_add_char(&picker->out, ',');
    mrc_buf_add_char(&picker->out, '"');
    mrc_buf_add_bytes(&picker->out, *ret_name);
    mrc_buf_add_str(&picker->out, "\":");
    if (pick)
        return pick_value(picker, pick, ret_value);
    mrc_buf_add_str(&picker->out, "null");
    return mrc_json_scan_value(&picker->scan, ret_value);
}

/* Whether VALUE is a string other than TYPE. */
static bool is_other_type(struct mrc_bytes value, const char *type)
{
    return value.ptr[0] == '"' &&
           !mrc_json_scan_equals((struct mrc_bytes){value.ptr + 1, value.len - 2}, type);
}

/* Copies an object. Recursive, as deep as lists of picks are nested. */
static enum mrc_err pick_object(struct picker *picker, const struct mrc_json_pick *picks,
                                const char *type)
{
    size_t start = picker->out.len, types = 0;
    bool is_other = false;

    if (!mrc_json_scan_take(&picker->scan, '{'))
        return mrc_json_scan_refuse(&picker->scan);
    mrc_buf_add_char(&picker->out, '{');
    if (mrc_json_scan_take(&picker->scan, '}')) {
        mrc_buf_add_char(&picker->out, '}');
        return mrc_buf_error(&picker->out);
    }
    do {
        struct mrc_bytes name, value;
        enum mrc_err err = mrc_buf_error(&picker->out);

        if (!err)
            err = pick_member(picker, picks, &name, &value);
        if (err)
            return err;
        if (type && mrc_json_scan_equals(name, "type"))
            is_other = !types++ && is_other_type(value, type);
    } while (mrc_json_scan_take(&picker->scan, ','));
    if (!mrc_json_scan_take(&picker->scan, '}'))
        return mrc_json_scan_refuse(&picker->scan);
    if (is_other) {
        picker->out.len = start;
        mrc_buf_add_str(&picker->out, "{\"type\":\"\"");
    }
    mrc_buf_add_char(&picker->out, '}');
    return mrc_buf_error(&picker->out);
}

/* Copies the value of a member, or one entry of an array that it holds. */
static enum mrc_err pick_entry(struct picker *picker, const struct mrc_json_pick *pick)
{
    struct mrc_bytes value;
    enum mrc_err err;

    if (mrc_json_scan_peek(&picker->scan) == '{')
        return pick_object(picker, pick->members, pick->type);
    err = mrc_json_scan_value(&picker->scan, &value);
    if (!err)
        mrc_buf_add_bytes(&picker->out, value);
    return err;
}

static enum mrc_err pick_array(struct picker *picker, const struct mrc_json_pick *pick)
{
    enum mrc_err err = MRC_OK;

    mrc_json_scan_take(&picker->scan, '[');
    mrc_buf_add_char(&picker->out, '[');
    if (!mrc_json_scan_take(&picker->scan, ']')) {
        err = pick_entry(picker, pick);
        while (!err && mrc_json_scan_take(&picker->scan, ',')) {
            mrc_buf_add_char(&picker->out, ',');
            err = pick_entry(picker, pick);
        }
        if (!err && !mrc_json_scan_take(&picker->scan, ']'))
            err = mrc_json_scan_refuse(&picker->scan);
    }
    mrc_buf_add_char(&picker->out, ']');
    return err;
}

static enum mrc_err pick_value(struct picker *picker, const struct mrc_json_pick *pick,
                               struct mrc_bytes *ret_value)
{
    char c = mrc_json_scan_peek(&picker->scan);
    size_t start = picker->scan.at;
    enum mrc_err err;

    if (pick->members && c == '{') {
        err = pick_object(picker, pick->members, pick->type);
    } else if (pick->members && c == '[') {
        err = pick_array(picker, pick);
    } else {
        struct mrc_bytes value;

        err = mrc_json_scan_value(&picker->scan, &value);
        if (!err)
            mrc_buf_add_bytes(&picker->out, value);
    }
    *ret_value = (struct mrc_bytes){picker->scan.text.ptr + start, picker->scan.at - start};
    return err;
}

enum mrc_err mrc_json_pick(struct mrc_bytes text, const struct mrc_json_pick *picks,
                           struct mrc_error *error, json_t **ret_object)
{
    struct picker picker;
    enum mrc_err err;

    if (!mrc_utf8_valid(text))
        return mrc_error_set(error, MRC_EINVAL, "not valid JSON: invalid UTF-8");
    mrc_json_scan_begin(text, error, &picker.scan);
    mrc_buf_init(&picker.out, SIZE_MAX);
    if (mrc_json_scan_peek(&picker.scan) == '[')
        err = mrc_error_set(error, MRC_EINVAL, "JSON, but not an object");
    else
        err = pick_object(&picker, picks, NULL);
    if (!err && (mrc_json_scan_peek(&picker.scan) || picker.scan.at < text.len))
        err = mrc_error_set(error, MRC_EINVAL, "not valid JSON: text after the value at byte %zu",
                            picker.scan.at);
    if (!err)
        err = mrc_json_parse_copy(mrc_buf_bytes(&picker.out), error, ret_object);
    mrc_json_scan_end(&picker.scan);
    mrc_buf_free(&picker.out);
    return err;
}
