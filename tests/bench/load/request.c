#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

/* Writes a template, with {n} and {data} replaced. */
static void fill(FILE *out, const char *text, uint32_t n, const char *data, size_t data_len)
{
    while (*text) {
        if (strncmp(text, "{n}", 3) == 0) {
            fprintf(out, "%" PRIu32, n);
            text += 3;
        } else if (data && strncmp(text, "{data}", 6) == 0) {
            fwrite(data, 1, data_len, out);
            text += 6;
        } else {
            fputc(*text++, out);
        }
    }
}

static FILE *begin(char **ret_text, size_t *ret_len)
{
    FILE *out = open_memstream(ret_text, ret_len);

    if (!out)
        base_die("out of memory");
    return out;
}

static void write_token(FILE *out, const char *token)
{
    if (token)
        fprintf(out, "Authorization: Bearer %s\r\n", token);
}

char *request_subscribe(const struct options *options, uint32_t number, uint32_t first,
                        const char *after, size_t *ret_len)
{
    char *text;
    FILE *out = begin(&text, ret_len);

    fputs("GET ", out);
    fill(out, options->subscribe_path, first, NULL, 0);
    for (uint32_t i = 0; options->match && i < options->topics_each; i++) {
        fputc(i ? '&' : '?', out);
        fill(out, options->match, first + i, NULL, 0);
    }
    fprintf(out, " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", options->host);
    write_token(out, options->tokens ? options->tokens[number % options->tokens_count]
                                     : options->subscribe_token);
    if (after)
        fprintf(out, "Last-Event-ID: %s\r\n", after);
    fputs("\r\n", out);
    fclose(out);
    return text;
}

char *request_publish(const struct options *options, uint32_t topic, const char *data,
                      size_t *ret_len)
{
    char *text, *body;
    size_t body_len;
    FILE *out = begin(&body, &body_len);

    fill(out, options->body, topic, data, options->data_bytes);
    fclose(out);
    out = begin(&text, ret_len);
    fputs("POST ", out);
    fill(out, options->publish_path, topic, NULL, 0);
    fprintf(out, " HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
            options->host, options->type, body_len);
    write_token(out, options->publish_token);
    fputs("\r\n", out);
    fwrite(body, 1, body_len, out);
    fclose(out);
    free(body);
    return text;
}
