/*
 * Files of a customer who tries to do harm: links, pipes, endless and foreign files.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"

#include "failing_calls.h"
#include "httpd/htaccess/file.h"
#include "store_unit.h"

static apr_pool_t *pool;
static const char *dir;

static const char *in(const char *name)
{
    return apr_pstrcat(pool, dir, "/", name, NULL);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in(name), "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void set_up(void)
{
    pool = store_pool();
    dir = store_dir();
    ck_assert_int_eq(mkdir(in("keys"), 0755), 0);
    write_file("keys/good", "content");
    ck_assert_int_eq(symlink(in("keys/good"), in("link")), 0);
    ck_assert_int_eq(symlink("keys", in("dirlink")), 0);
    ck_assert_int_eq(symlink("/dev/zero", in("zero")), 0);
    ck_assert_int_eq(mkfifo(in("fifo"), 0644), 0);
    ck_assert_int_eq(symlink("fifo", in("fifolink")), 0);
    ck_assert_int_eq(symlink("none", in("dangling")), 0);
    ck_assert_int_eq(symlink("circle", in("circle")), 0);
    ck_assert_int_eq(symlink("link", in("longway")), 0);
}

/* The content of NAME, or the error, in POOL. */
static const char *read_plain(const char *name, apr_status_t *ret_status)
{
    struct mrc_htaccess_found found;
    struct mrc_error error = {""};
    const char *text;
    struct mrc_buf buf;

    mrc_buf_init(&buf, 100);
    *ret_status = mrc_htaccess_file_read(in(name), &buf, &error, &found);
    text = *ret_status ? apr_pstrdup(pool, error.text)
                       : apr_pstrmemdup(pool, buf.ptr ? buf.ptr : "", mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return text;
}

static const char *read_below(const char *name, uid_t owner, apr_status_t *ret_status)
{
    struct mrc_error error = {""};
    struct mrc_file_stamp stamp;
    const char *text, *path;
    struct mrc_buf buf;

    mrc_buf_init(&buf, 100);
    *ret_status = mrc_htaccess_file_read_below(pool, dir, name, owner, &buf, &error, &path, &stamp);
    text = *ret_status ? apr_pstrdup(pool, error.text)
                       : apr_pstrmemdup(pool, buf.ptr ? buf.ptr : "", mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return text;
}

START_TEST(only_regular_files_are_read)
{
    apr_status_t status;

    write_file("file", "text");
    ck_assert_str_eq(read_plain("file", &status), "text");
    read_plain("none", &status);
    ck_assert_int_eq(status, APR_ENOENT);
    read_plain("file/none", &status);
    ck_assert_int_eq(status, APR_ENOENT);
    ck_assert_str_eq(read_plain("zero", &status), "it is not a regular file");
    ck_assert_str_eq(read_plain("fifolink", &status), "it is not a regular file");
    ck_assert_str_eq(read_plain("dirlink", &status), "it is not a regular file");
    ck_assert_str_eq(read_plain("fifo", &status), "it is not a regular file");
    ck_assert_str_eq(read_plain("keys", &status), "it is not a regular file");
    write_file("long", apr_psprintf(pool, "%101s", ""));
    ck_assert_str_eq(read_plain("long", &status), "it is too long");
    write_file("long", apr_psprintf(pool, "%100s", ""));
    ck_assert_uint_eq(strlen(read_plain("long", &status)), 100);
}
END_TEST

START_TEST(a_link_leads_to_a_file_of_its_owner)
{
    apr_status_t status;

    ck_assert_str_eq(read_plain("link", &status), "content");
    ck_assert_str_eq(read_plain("longway", &status), "content");
    ck_assert_str_eq(read_plain("dirlink/good", &status), "content");
    read_plain("dangling", &status);
    ck_assert_int_eq(status, APR_ENOENT);
    ck_assert_str_eq(read_plain("circle", &status), "its symbolic links cannot be followed");
    write_file("keys/good", apr_psprintf(pool, "%101s", ""));
    ck_assert_str_eq(read_plain("link", &status), "it is too long");
}
END_TEST

START_TEST(a_link_leads_to_no_file_of_others)
{
    const char *own =
        apr_pstrcat(pool, "/proc/self/fd/", apr_itoa(pool, open(in("keys/good"), O_RDONLY)), NULL);
    apr_status_t status;

    ck_assert_int_eq(symlink(own, in("magic")), 0);
    ck_assert_str_eq(read_plain("magic", &status), "its symbolic links cannot be followed");
    if (getuid() != 0) /* only root can give a file away, and has no file of others */
        ck_assert_int_eq(symlink("/etc/passwd", in("foreign")), 0);
    else
        ck_assert_int_eq(symlink("keys/good", in("foreign")) || lchown(in("foreign"), 12345, 12345),
                         0);
    ck_assert_str_eq(read_plain("foreign", &status),
                     "it is a symbolic link to a file of another user");
}
END_TEST

START_TEST(key_files_are_reached_without_links)
{
    static const char *const outside[] = {
        "",      "..",     "../x", "keys/../keys/good", "/etc/passwd", "./x", "keys//good",
        "keys/", "keys/.", "."};
    apr_status_t status;

    ck_assert_str_eq(read_below("keys/good", getuid(), &status), "content");
    ck_assert_str_eq(read_below(in("keys/good"), getuid(), &status), "content");
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        ck_assert_msg(strstr(read_below(outside[i], getuid(), &status), "it is not below"), "%s",
                      outside[i]);
    ck_assert_ptr_nonnull(
        strstr(read_below(apr_pstrcat(pool, dir, "x/file", NULL), getuid(), &status), "not below"));
    ck_assert_str_eq(read_below("link", getuid(), &status), "a symbolic link leads to it");
    ck_assert_str_eq(read_below("zero", getuid(), &status), "a symbolic link leads to it");
    read_below("dirlink/good", getuid(), &status);
    ck_assert_int_ne(status, APR_SUCCESS);
    ck_assert_str_eq(read_below("fifo", getuid(), &status), "it is not a regular file");
    ck_assert_str_eq(read_below("keys", getuid(), &status), "it is not a regular file");
    ck_assert_ptr_nonnull(strstr(read_below("none", getuid(), &status), "No such file"));
    ck_assert_ptr_nonnull(strstr(read_below("keys/good", getuid() + 1, &status), "owner"));
}
END_TEST

static bool read_a_file(void)
{
    apr_status_t status;

    read_plain("keys/good", &status);
    ck_assert(!status || mrc_htaccess_file_is_passing(status));
    return status == APR_SUCCESS;
}

static bool read_a_link(void)
{
    apr_status_t status;

    read_plain("link", &status);
    ck_assert(!status || mrc_htaccess_file_is_passing(status));
    return status == APR_SUCCESS;
}

static bool read_a_key_file(void)
{
    apr_status_t status;

    read_below("keys/good", getuid(), &status);
    ck_assert(!status || mrc_htaccess_file_is_passing(status));
    return status == APR_SUCCESS;
}

START_TEST(a_lack_of_memory_or_descriptors_passes)
{
    apr_status_t status;

    fail_in_turn("file", read_a_file, 1);
    few_descriptors_in_turn("file", read_a_file, 1);
    fail_in_turn("key file", read_a_key_file, 1);
    few_descriptors_in_turn("key file", read_a_key_file, 2);
    few_descriptors_in_turn("link", read_a_link, 2);
    read_plain("circle", &status);
    ck_assert(!mrc_htaccess_file_is_passing(status));
    read_below("dirlink/good", getuid(), &status);
    ck_assert(!mrc_htaccess_file_is_passing(status));
    read_below("none", getuid(), &status);
    ck_assert(!mrc_htaccess_file_is_passing(status));
}
END_TEST

START_TEST(stamps_tell_changes)
{
    struct mrc_file_stamp before = mrc_htaccess_file_look(in("keys/good")), after, none = {0};

    after = mrc_htaccess_file_look(in("keys/good"));
    ck_assert(mrc_file_stamp_eq(&before, &after));
    write_file("keys/good", "other content");
    after = mrc_htaccess_file_look(in("keys/good"));
    ck_assert(!mrc_file_stamp_eq(&before, &after));
    after = mrc_htaccess_file_look(in("none"));
    ck_assert(mrc_file_stamp_eq(&none, &after));
    /* The look is at the link itself. */
    before = mrc_htaccess_file_look(in("link"));
    write_file("keys/good", "content again");
    after = mrc_htaccess_file_look(in("link"));
    ck_assert(mrc_file_stamp_eq(&before, &after));
    before = mrc_htaccess_file_look_through(in("link"));
    after = mrc_htaccess_file_look(in("keys/good"));
    ck_assert(mrc_file_stamp_eq(&before, &after));
    after = mrc_htaccess_file_look_through(in("dangling"));
    ck_assert(mrc_file_stamp_eq(&none, &after));
}
END_TEST

/* The line of CONTENT that is refused; 0 if none is. */
static unsigned refused(struct mrc_bytes content, const char *words)
{
    struct mrc_error error = {""};
    unsigned line = 0;

    if (mrc_htaccess_file_check(content, &line, &error))
        return 0;
    ck_assert_msg(strstr(error.text, words) != NULL, "%s", error.text);
    return line;
}

/* TEXT, repeated COUNT times. */
static const char *repeat(const char *text, unsigned count)
{
    struct mrc_buf buf;
    const char *all;

    mrc_buf_init(&buf, SIZE_MAX);
    for (unsigned i = 0; i < count; i++)
        mrc_buf_add(&buf, text, strlen(text));
    all = apr_pstrmemdup(pool, buf.ptr, mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return all;
}

static unsigned too_deep(const char *text, unsigned count)
{
    return refused(mrc_bytes_of(repeat(text, count)), "nested more than 32 deep");
}

START_TEST(sections_may_not_be_too_deep)
{
    const unsigned max = MRC_HTACCESS_FILE_DEPTH_MAX;

    ck_assert_uint_eq(too_deep("<Files *>\n", max), 0);
    ck_assert_uint_eq(too_deep("<Files *>\n", max + 1), max + 1);
    ck_assert_uint_eq(too_deep("<Files *>\n</Files>\n", 10000), 0);
    ck_assert_uint_eq(too_deep(" \t\r<Files *>\n  </Files>\r\n", 10000), 0);
    ck_assert_uint_eq(too_deep("Require not <x\n", 10000), 0);
    ck_assert_uint_eq(too_deep("# <Files *>\n", 10000), 0);
    ck_assert_uint_eq(too_deep("</Files>\n", 10000), 0);
    ck_assert_uint_eq(too_deep("\"<Files\" *>\n", max + 1), max + 1);
    ck_assert_uint_eq(too_deep("\\\n'<Files' *>\n", max + 1), 2 * max + 2);
}
END_TEST

/* A line that httpd takes for a part of the line before it, or not for a tag, closes no section. */
START_TEST(a_comment_closes_no_section)
{
    const unsigned max = MRC_HTACCESS_FILE_DEPTH_MAX;

    ck_assert_uint_eq(too_deep("<Files *>\n# \\\n</Files>\n", max + 1), 3 * max + 1);
    ck_assert_uint_eq(too_deep("<Files *>\n#\\\r\n</Files>\n", max + 1), 3 * max + 1);
    ck_assert_uint_eq(too_deep("<Files *>\n#</Files>\n", max + 1), 2 * max + 1);
    ck_assert_uint_eq(too_deep("<Files *>\n\"</Files>\"\n", max + 1), 2 * max + 1);
    ck_assert_uint_eq(refused((struct mrc_bytes){"a\n#\0\n</Files>\n", 14}, "NUL"), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, only_regular_files_are_read);
    tcase_add_test(tcase, a_link_leads_to_a_file_of_its_owner);
    tcase_add_test(tcase, a_link_leads_to_no_file_of_others);
    tcase_add_test(tcase, key_files_are_reached_without_links);
    tcase_add_test(tcase, a_lack_of_memory_or_descriptors_passes);
    tcase_add_test(tcase, stamps_tell_changes);
    tcase_add_test(tcase, sections_may_not_be_too_deep);
    tcase_add_test(tcase, a_comment_closes_no_section);
    return unit_run(suite);
}
