#include "store/engine/resp.h"

#include <string.h>

/* An element is complete: it may complete the arrays around it. */
static void end_element(struct mrc_resp *resp)
{
    while (resp->depth > 0 && --resp->left[resp->depth - 1] == 0)
        resp->depth--;
    if (resp->depth == 0)
        resp->bytes = 0;
}

/* The line that begins an element is complete. */
static bool end_line(struct mrc_resp *resp)
{
    int64_t number = resp->is_negative ? -resp->number : resp->number;
    char type = resp->type;

    resp->type = 0;
    resp->is_returning = false;
    if (type == '+' || type == '-') {
        end_element(resp);
        return true;
    }
    if (!resp->has_digit)
        return false;
    if (type == ':' || number == -1 || (type == '*' && number == 0)) {
        end_element(resp);
        return true;
    }
    if (number < 0)
        return false;
    if (type == '$') {
        resp->skip = number + 2;
        return number <= MRC_RESP_STRING_MAX;
    }
    if (resp->depth == MRC_RESP_DEPTH_MAX || number > MRC_RESP_ARRAY_MAX)
        return false;
    resp->left[resp->depth++] = number;
    return true;
}

static bool begin_line(struct mrc_resp *resp, char c)
{
    if (c == '\0' || !strchr("+-:$*", c))
        return false;
    resp->type = c;
    resp->number = 0;
    resp->is_negative = resp->has_digit = false;
    return true;
}

/* Takes one character of a line. */
static bool take(struct mrc_resp *resp, char c)
{
    if (resp->type == 0)
        return begin_line(resp, c);
    if (resp->is_returning)
        return c == '\n' && end_line(resp);
    if (c == '\r') {
        resp->is_returning = true;
        return true;
    }
    if (resp->type == '+' || resp->type == '-')
        return c != '\n' && ++resp->number <= MRC_RESP_LINE_MAX;
    if (c == '-' && !resp->has_digit && !resp->is_negative) {
        resp->is_negative = true;
        return true;
    }
    if (c < '0' || c > '9' || resp->number > (INT64_MAX - 9) / 10)
        return false;
    resp->number = resp->number * 10 + (c - '0');
    resp->has_digit = true;
    return true;
}

bool mrc_resp_check(struct mrc_resp *resp, const char *data, size_t len)
{
    uint64_t max = resp->max ? resp->max : MRC_RESP_REPLY_MAX;

    while (len > 0) {
        size_t n = 1;

        if (resp->skip > 0)
            n = (uint64_t)resp->skip < len ? (size_t)resp->skip : len;
        resp->bytes += n;
        if (resp->bytes > max)
            return false;
        if (resp->skip > 0) {
            resp->skip -= (int64_t)n;
            if (resp->skip == 0)
                end_element(resp);
        } else if (!take(resp, *data)) {
            return false;
        }
        data += n;
        len -= n;
    }
    return true;
}
