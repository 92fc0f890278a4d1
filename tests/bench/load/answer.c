#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "base.h"

void answer_reset(struct answer *answer)
{
    free(answer->head);
    *answer = (struct answer){.state = ANSWER_HEAD};
}

/* The value of a field of the head, which ends with NUL; NULL if there is no such field. */
static const char *field(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

static bool says(const char *value, const char *word)
{
    return value && strncasecmp(value, word, strlen(word)) == 0;
}

static void read_head(struct answer *answer)
{
    const char *length;
    int minor;

    if (sscanf(answer->head, "HTTP/1.%d %d", &minor, &answer->status) != 2 ||
        answer->status < 100) {
        answer->state = ANSWER_BAD;
        return;
    }
    answer->closes = says(field(answer->head, "Connection"), "close") || minor == 0;
    length = field(answer->head, "Content-Length");
    if (answer->status == 204 || answer->status == 304) {
        answer->state = ANSWER_WHOLE;
    } else if (says(field(answer->head, "Transfer-Encoding"), "chunked")) {
        answer->state = ANSWER_CHUNK_SIZE;
    } else if (length) {
        answer->left = strtoull(length, NULL, 10);
        answer->state = answer->left ? ANSWER_LENGTH : ANSWER_WHOLE;
    } else {
        answer->state = ANSWER_UNTIL_CLOSE;
    }
}

/* Collects the head up to its blank line; returns how many bytes belong to it. */
static size_t take_head(struct answer *answer, const char *bytes, size_t len)
{
    size_t old = answer->head_len, from = old > 3 ? old - 3 : 0;
    size_t head_bytes;
    char *end;

    if (old + len > ANSWER_HEAD_MAX)
        len = ANSWER_HEAD_MAX - old;
    answer->head = base_resize(answer->head, old + len + 1);
    memcpy(answer->head + old, bytes, len);
    answer->head_len = old + len;
    answer->head[answer->head_len] = '\0';
    end = strstr(answer->head + from, "\r\n\r\n");
    if (!end) {
        if (answer->head_len == ANSWER_HEAD_MAX)
            answer->state = ANSWER_BAD;
        return len;
    }
    head_bytes = (size_t)(end + 4 - answer->head);
    end[2] = '\0';
    read_head(answer);
    free(answer->head);
    answer->head = NULL;
    return head_bytes - old;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one byte of the framing of the chunks. */
static void take_frame(struct answer *answer, char c)
{
    switch (answer->state) {
    case ANSWER_CHUNK_SIZE:
        if (c == '\n') {
            if (answer->line_len == 0)
                answer->state = ANSWER_BAD;
            else
                answer->state = answer->left ? ANSWER_CHUNK : ANSWER_TRAILER;
            answer->line_len = 0;
        } else if (hex(c) >= 0 && answer->line_len < 15) {
            answer->left = answer->left << 4 | (uint64_t)hex(c);
            answer->line_len++;
        } else if (c != '\r') {
            answer->state = ANSWER_BAD;
        }
        break;
    case ANSWER_CHUNK_END:
        if (c == '\n')
            answer->state = ANSWER_CHUNK_SIZE;
        else if (c != '\r')
            answer->state = ANSWER_BAD;
        break;
    default: /* ANSWER_TRAILER */
        if (c == '\n') {
            if (answer->line_len == 0)
                answer->state = ANSWER_WHOLE;
            answer->line_len = 0;
        } else if (c != '\r') {
            answer->line_len = 1;
        }
        break;
    }
}

enum answer_state answer_take(struct answer *answer, const char *bytes, size_t len,
                              answer_body_fn *body, void *baton)
{
    while (len > 0 && answer->state < ANSWER_WHOLE) {
        size_t took = 1;

        switch (answer->state) {
        case ANSWER_HEAD:
            took = take_head(answer, bytes, len);
            break;
        case ANSWER_LENGTH:
        case ANSWER_CHUNK:
            took = len < answer->left ? len : (size_t)answer->left;
            answer->left -= took;
            body(baton, bytes, took);
            if (answer->left == 0)
                answer->state = answer->state == ANSWER_CHUNK ? ANSWER_CHUNK_END : ANSWER_WHOLE;
            break;
        case ANSWER_UNTIL_CLOSE:
            took = len;
            body(baton, bytes, took);
            break;
        default:
            take_frame(answer, *bytes);
            break;
        }
        bytes += took;
        len -= took;
    }
    /* Nothing may follow the answer, because only one request was sent. */
    if (answer->state == ANSWER_WHOLE && len > 0)
        answer->state = ANSWER_BAD;
    return answer->state;
}
