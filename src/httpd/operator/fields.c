#include "httpd/operator/fields.h"

#include <stdbool.h>
#include <string.h>

#include "apr_strings.h"

#include "core/base/quote.h"
#include "core/base/utf8.h"
#include "core/protocol/form.h"
#include "httpd/access/authorize.h"
#include "httpd/answer/body.h"
#include "httpd/operator/call.h"

/* A body holds at most one token and some short fields. */
#define BODY_MAX_BYTES ((size_t)256 * 1024)

/* No call has as many fields. */
#define FIELDS_MAX 16

static const struct mrc_operator_field *find(const struct mrc_operator_field *fields, size_t count,
                                             struct mrc_bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (mrc_bytes_eq_str(name, fields[i].name))
            return &fields[i];
    }
    return NULL;
}

/* The names of FIELDS, for a message. */
static const char *list(apr_pool_t *pool, const struct mrc_operator_field *fields, size_t count)
{
    const char *names = fields[0].name;

    for (size_t i = 1; i < count; i++)
        names = apr_pstrcat(pool, names, i + 1 < count ? ", " : " and ", fields[i].name, NULL);
    return names;
}

/* Adds PAIR to the words for the log. */
static void note(struct mrc_operator_call *call, const struct mrc_operator_field *field,
                 struct mrc_bytes value)
{
    struct mrc_quote quote;

    call->fields = apr_pstrcat(call->r->pool, call->fields ? call->fields : "", " ", field->name,
                               "=", field->is_secret ? "…" : mrc_quote(&quote, value), NULL);
}

/* NULL, or what is wrong with VALUE. */
static const char *check(const struct mrc_operator_field *field, struct mrc_bytes value)
{
    if (field->value->ptr)
        return "is given twice";
    if (value.len == 0)
        return "is empty";
    if (value.len > field->max_bytes)
        return "is too long";
    if (memchr(value.ptr, '\0', value.len) || !mrc_utf8_valid(value))
        return "is not text in UTF-8";
    return NULL;
}

static int take(struct mrc_operator_call *call, const struct mrc_operator_field *fields,
                size_t count, bool skips_empty)
{
    apr_pool_t *pool = call->r->pool;

    for (size_t i = 0; i < mrc_form_count(call->form); i++) {
        struct mrc_form_pair pair = mrc_form_get(call->form, i);
        const struct mrc_operator_field *field = find(fields, count, pair.name);
        const char *problem;
        struct mrc_quote quote;

        if (!field)
            return mrc_operator_refuse(call, HTTP_BAD_REQUEST,
                                       apr_psprintf(pool, "the field %s is unknown: %s takes %s",
                                                    mrc_quote(&quote, pair.name), call->name,
                                                    list(pool, fields, count)));
        if (pair.value.len == 0 && skips_empty)
            continue;
        problem = check(field, pair.value);
        if (problem)
            return mrc_operator_refuse(call, HTTP_BAD_REQUEST,
                                       apr_psprintf(pool, "the field %s %s", field->name, problem));
        *field->value = pair.value;
        note(call, field, pair.value);
    }
    return DECLINED;
}

/* Whether R says that it has a body, or of what type. HTTP/2 need not say so: such a body without a
 * type is ignored. */
static bool has_body(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return apr_table_get(r->headers_in, "Content-Type") ||
           apr_table_get(r->headers_in, "Transfer-Encoding") || (length && strcmp(length, "0"));
}

/* An order without fields lacks the one that it needs. */
static int read_nothing(struct mrc_operator_call *call)
{
    int status = mrc_body_discard(call->r);
    struct mrc_error unused;

    if (status != DECLINED)
        return status;
    return mrc_form_parse(mrc_bytes_of(""), FIELDS_MAX, &unused, &call->form)
               ? mrc_failure_answer_no_memory(call->r)
               : DECLINED;
}

int mrc_operator_read_body(struct mrc_operator_call *call, const struct mrc_operator_field *fields,
                           size_t count)
{
    int status = has_body(call->r) ? mrc_body_read_form(call->r, MRC_INPUT_SUBSCRIPTION,
                                                        BODY_MAX_BYTES, FIELDS_MAX, &call->form)
                                   : read_nothing(call);

    if (status == DECLINED) /* the body may have taken its time */
        status = mrc_authorize_again(call->r, call->claim, MRC_ROLE_OPERATOR, &call->token);
    return status == DECLINED ? take(call, fields, count, false) : status;
}

int mrc_operator_read_query(struct mrc_operator_call *call, const struct mrc_operator_field *fields,
                            size_t count)
{
    const char *args = call->r->args ? call->r->args : "";
    struct mrc_error error = {""};
    int status = mrc_body_discard(call->r);
    enum mrc_err err;

    if (status != DECLINED)
        return status;
    err = mrc_form_parse(mrc_bytes_of(args), FIELDS_MAX, &error, &call->form);
    return err ? mrc_failure_answer_input(call->r, err, &error, MRC_INPUT_SUBSCRIPTION)
               : take(call, fields, count, true);
}
