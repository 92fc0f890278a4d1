#include "httpd/inside/interim_text.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define HEAD      "HTTP/1.1 103 Early Hints\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define FIELD     "Mercure-Publish: topic=a\r\n"

/* The first bytes of a response come in one piece. */
#define FIRST_PIECE 12

/* Passes IN in pieces: up to FIRST, then up to SECOND, then the rest, byte by byte if SINGLY. */
static void check_cut(const char *in, const char *out, size_t first, size_t second, bool singly)
{
    struct mrc_interim_text text = {MRC_INTERIM_TEXT_BETWEEN};
    size_t len = strlen(in), done = 0, total = 0;
    char *all = calloc(1, len + 1);

    while (done < len) {
        size_t end = done < first ? first : done < second ? second : singly ? done + 1 : len;
        size_t piece = end - done;
        char *to = malloc(piece + MRC_INTERIM_TEXT_NAME_LEN);
        size_t got = mrc_interim_text_take(&text, in + done, piece, to);

        ck_assert_uint_le(got, piece + MRC_INTERIM_TEXT_NAME_LEN);
        ck_assert_uint_le(total + got, len);
        memcpy(all + total, to, got);
        total += got;
        done = end;
        free(to);
    }
    ck_assert_str_eq(all, out);
    free(all);
}

static void check(const char *in, const char *out)
{
    size_t len = strlen(in);

    check_cut(in, out, len, len, false);
    if (len < FIRST_PIECE)
        return;
    check_cut(in, out, FIRST_PIECE, FIRST_PIECE, true);
    for (size_t first = FIRST_PIECE; first < len; first++)
        for (size_t second = first; second <= len; second++)
            check_cut(in, out, first, second, false);
}

START_TEST(field_is_left_out_wherever_the_text_is_cut)
{
    check(HEAD "\r\n", HEAD "\r\n");
    check(HEAD FIELD "\r\n", HEAD "\r\n");
    check(HEAD "A: b\r\n" FIELD "mercure-PUBLISH:\r\nC: d\r\n\r\n", HEAD "A: b\r\nC: d\r\n\r\n");
    check(HEAD FIELD FIELD "\r\n", HEAD "\r\n");
    check(HEAD "Mercure-\r\n" FIELD "\r\n", HEAD "Mercure-\r\n\r\n");
}
END_TEST

START_TEST(other_fields_stay)
{
    check(HEAD
          "Mercure-Publisher: a\r\nm: b\r\nMercure-Publish-2: c\r\nX-Mercure-Publish: d\r\n\r\n",
          HEAD
          "Mercure-Publisher: a\r\nm: b\r\nMercure-Publish-2: c\r\nX-Mercure-Publish: d\r\n\r\n");
    check(HEAD "A: Mercure-Publish: b\r\nMercure-\r\nMercure-Publish\r\n\r\n",
          HEAD "A: Mercure-Publish: b\r\nMercure-\r\nMercure-Publish\r\n\r\n");
}
END_TEST

START_TEST(each_response_of_several_is_read)
{
    const char *in = HEAD FIELD "\r\n" HEAD "A: b\r\n" FIELD "\r\n" HEAD FIELD "\r\n";

    check_cut(in, HEAD "\r\n" HEAD "A: b\r\n\r\n" HEAD "\r\n", strlen(in), strlen(in), false);
}
END_TEST

START_TEST(what_is_no_interim_response_stays)
{
    check("", "");
    check("x\r\n" FIELD, "x\r\n" FIELD);
    check("HTTP/1.1 200 OK\r\n" FIELD "\r\n", "HTTP/1.1 200 OK\r\n" FIELD "\r\n");
    check("HTTP/1.0 200 Connection Established\r\n\r\n\r\n" FIELD,
          "HTTP/1.0 200 Connection Established\r\n\r\n\r\n" FIELD);
    check(SWITCHING FIELD "\r\n" FIELD HEAD FIELD, SWITCHING "\r\n" FIELD HEAD FIELD);
}
END_TEST

START_TEST(end_of_http_is_known)
{
    struct mrc_interim_text text = {MRC_INTERIM_TEXT_BETWEEN};
    char to[100];

    mrc_interim_text_take(&text, HEAD "\r\n", strlen(HEAD "\r\n"), to);
    ck_assert_int_eq(text.place, MRC_INTERIM_TEXT_BETWEEN);
    mrc_interim_text_take(&text, SWITCHING "\r\n", strlen(SWITCHING "\r\n"), to);
    ck_assert_int_eq(text.place, MRC_INTERIM_TEXT_RAW);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interim_text");
    TCase *tcase = tcase_create("interim_text");

    tcase_add_test(tcase, field_is_left_out_wherever_the_text_is_cut);
    tcase_add_test(tcase, other_fields_stay);
    tcase_add_test(tcase, each_response_of_several_is_read);
    tcase_add_test(tcase, what_is_no_interim_response_stays);
    tcase_add_test(tcase, end_of_http_is_known);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
