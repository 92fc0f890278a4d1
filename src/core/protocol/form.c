#include "core/protocol/form.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/percent.h"

struct mrc_form {
    size_t count;
    struct mrc_form_pair pairs[]; /* count of them, followed by the bytes that they point to */
};

/* Takes the next part, up to `&`, from the front of REST. False at the end. */
static bool next_part(struct mrc_bytes *rest, struct mrc_bytes *ret_part)
{
    const char *end;

    while (rest->len && *rest->ptr == '&') {
        rest->ptr++;
        rest->len--;
    }
    if (!rest->len)
        return false;
    end = memchr(rest->ptr, '&', rest->len);
    ret_part->ptr = rest->ptr;
    ret_part->len = end ? (size_t)(end - rest->ptr) : rest->len;
    rest->ptr += ret_part->len;
    rest->len -= ret_part->len;
    return true;
}

/* Decodes IN to *AT, and moves *AT past it. */
static struct mrc_bytes decode(struct mrc_bytes in, char **at)
{
    struct mrc_bytes out = {*at, mrc_percent_decode(in, true, *at)};

    *at += out.len;
    return out;
}

enum mrc_err mrc_form_parse(struct mrc_bytes body, size_t max_pairs, struct mrc_error *error,
                            struct mrc_form **ret_form)
{
    struct mrc_bytes rest = body;
    struct mrc_bytes part;
    struct mrc_form *form;
    size_t count = 0;
    char *at;

    while (next_part(&rest, &part)) {
        if (count == max_pairs)
            return mrc_error_set(error, MRC_ELIMIT, "there are more than %zu form fields",
                                 max_pairs);
        count++;
    }
    if (count > (SIZE_MAX - sizeof(*form) - body.len - 1) / sizeof(form->pairs[0]))
        return MRC_ENOMEM;
    form = malloc(sizeof(*form) + count * sizeof(form->pairs[0]) + body.len + 1);
    if (!form)
        return MRC_ENOMEM;
    form->count = count;
    at = (char *)&form->pairs[count];
    rest = body;
    for (size_t i = 0; next_part(&rest, &part); i++) {
        const char *equals = memchr(part.ptr, '=', part.len);
        struct mrc_bytes name = {part.ptr, equals ? (size_t)(equals - part.ptr) : part.len};
        struct mrc_bytes value = {equals ? equals + 1 : part.ptr,
                                  equals ? part.len - name.len - 1 : 0};

        form->pairs[i].name = decode(name, &at);
        form->pairs[i].value = decode(value, &at);
    }
    *ret_form = form;
    return MRC_OK;
}

void mrc_form_free(struct mrc_form *form)
{
    free(form);
}

size_t mrc_form_count(const struct mrc_form *form)
{
    return form->count;
}

struct mrc_form_pair mrc_form_get(const struct mrc_form *form, size_t i)
{
    assert(i < form->count);
    return form->pairs[i];
}
