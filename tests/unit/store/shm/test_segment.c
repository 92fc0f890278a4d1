#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/shm/runtime_dir.h"
#include "store/shm/segment.h"
#include "store_unit.h"

START_TEST(is_shared_private_and_zeroed)
{
    const char *dir = store_dir();
    apr_pool_t *pool = store_pool();
    struct mrc_segment segment = {.base = NULL};
    struct mrc_segment tool = {.base = NULL};
    struct mrc_error error = {""};
    struct stat st;
    char path[100];
    size_t i;
    int status;

    umask(0);
    snprintf(path, sizeof(path), "%s/a", dir);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 10000, &error, &segment), APR_SUCCESS);
    ck_assert_uint_eq(segment.size, 10000);
    for (i = 0; i < segment.size; i++)
        ck_assert_int_eq(((char *)segment.base)[i], 0);
    ck_assert_int_eq(fstat(mrc_segment_fd(&segment), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert_int_ge(st.st_blocks * 512, 10000); /* not sparse */
    ck_assert_int_eq(fcntl(mrc_segment_fd(&segment), F_GETFD), FD_CLOEXEC);
    if (fork() == 0) {
        memcpy(segment.base, "from the child", 15);
        _exit(0);
    }
    wait(&status);
    ck_assert_str_eq(segment.base, "from the child");
    ck_assert_int_eq(mrc_segment_open(pool, path, &error, &tool), APR_SUCCESS);
    ck_assert_str_eq(tool.base, "from the child");
    ck_assert_uint_eq(tool.size, 10000);
    mrc_segment_close(&tool);
    mrc_segment_close_fd(&segment);
    ck_assert_int_eq(mrc_segment_fd(&segment), -1);
    ck_assert_str_eq(segment.base, "from the child");
    mrc_segment_close(&segment);
    mrc_segment_close(&segment);
    mrc_segment_close(NULL);
    ck_assert_ptr_null(segment.base);
    mrc_segment_remove(dir, "a");
    mrc_segment_remove(dir, "a");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* A segment ends with its pool at the latest: the mapping and the descriptor go, the file stays. */
START_TEST(ends_with_its_pool)
{
    const char *dir = store_dir();
    apr_pool_t *pool;
    struct mrc_segment segment = {.base = NULL};
    struct mrc_error error = {""};
    unsigned char resident;
    char path[100];
    int fd;

    ck_assert_int_eq(apr_pool_create(&pool, store_pool()), APR_SUCCESS);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 4096, &error, &segment), APR_SUCCESS);
    fd = mrc_segment_fd(&segment);
    ck_assert_int_eq(mincore(segment.base, 4096, &resident), 0);
    apr_pool_destroy(pool);
    ck_assert_int_eq(mincore(segment.base, 4096, &resident), -1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    snprintf(path, sizeof(path), "%s/a", dir);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(refuses_an_existing_file)
{
    const char *dir = store_dir();
    apr_pool_t *pool = store_pool();
    struct mrc_segment segment = {.base = NULL, .size = 7};
    struct mrc_error error = {""};
    char path[100];

    snprintf(path, sizeof(path), "%s/link", dir);
    ck_assert_int_eq(symlink("/tmp/mrc-does-not-exist", path), 0);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "link", 100, &error, &segment), EEXIST);
    ck_assert_ptr_nonnull(strstr(error.text, "link"));
    ck_assert_uint_eq(segment.size, 7);
    ck_assert_int_eq(access("/tmp/mrc-does-not-exist", F_OK), -1);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 100, &error, &segment), ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, dir));
}
END_TEST

START_TEST(opens_only_files_with_content)
{
    apr_pool_t *pool = store_pool();
    struct mrc_segment segment = {.base = NULL};
    struct mrc_error error = {""};

    ck_assert_int_ne(mrc_segment_open(pool, "/dev/zero", &error, &segment), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
    error.text[0] = '\0';
    ck_assert_int_eq(mrc_segment_open(pool, "/tmp", &error, &segment), EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
    ck_assert_int_eq(mrc_segment_open(pool, "/tmp/mrc-does-not-exist", &error, &segment), ENOENT);
    ck_assert_ptr_null(segment.base);
}
END_TEST

/*
 * A write beyond the limit on file sizes is a signal that kills; the limit must be noticed before.
 */
START_TEST(the_limit_on_file_sizes_is_an_error)
{
    const char *dir = store_dir();
    apr_pool_t *pool = store_pool();
    struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
    struct mrc_segment segment = {.base = NULL};
    struct mrc_error error = {""};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 65537, &error, &segment), EFBIG);
    ck_assert_ptr_nonnull(strstr(error.text, "65537"));
    ck_assert_ptr_nonnull(strstr(error.text, dir));
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 65536, &error, &segment), APR_SUCCESS);
    mrc_segment_close(&segment);
    mrc_segment_remove(dir, "a");
    ck_assert_int_eq(rmdir(dir), 0); /* the failed call has left nothing */
    ck_assert_int_eq(mrc_segment_create(pool, "/tmp", "a", UINT64_MAX, &error, &segment), EFBIG);
}
END_TEST

/* These mount small file systems in a mount namespace of their own; only root may do that. */
START_TEST(large_segments_leave_room_to_others)
{
    const char *dir = store_dir();
    apr_pool_t *pool = store_pool();
    struct mrc_segment segment = {.base = NULL};
    struct mrc_error error = {""};

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=4m") != 0) {
        fprintf(stderr, "# no mount is allowed here: not tested\n");
        rmdir(dir);
        return;
    }
    ck_assert_uint_eq(mrc_runtime_dir_room(dir), (4 << 20) - MRC_SEGMENT_RESERVE_BYTES);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", (3 << 20) + 4096, &error, &segment),
                     ENOSPC);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "mercure-0123456789abcdef01234567.hub-1",
                                        3 << 20, &error, &segment),
                     APR_SUCCESS);
    /* The blocks of a hub count as room. */
    ck_assert_uint_eq(mrc_runtime_dir_room(dir), (4 << 20) - MRC_SEGMENT_RESERVE_BYTES);
    mrc_segment_close(&segment);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "b", 65536, &error, &segment), APR_SUCCESS);
    ck_assert_uint_eq(mrc_runtime_dir_room(dir), (4 << 20) - 65536 - MRC_SEGMENT_RESERVE_BYTES);
    mrc_segment_close(&segment);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    const char *dir = store_dir();
    apr_pool_t *pool = store_pool();
    struct mrc_segment segment = {.base = NULL};
    struct mrc_error error = {""};

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=64k") != 0) {
        fprintf(stderr, "# no mount is allowed here: not tested\n");
        rmdir(dir);
        return;
    }
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 1 << 20, &error, &segment), ENOSPC);
    ck_assert_ptr_nonnull(strstr(error.text, "1048576"));
    ck_assert_ptr_nonnull(strstr(error.text, dir));
    ck_assert_ptr_nonnull(strstr(error.text, "full"));
    ck_assert_int_eq(mrc_segment_create(pool, dir, "a", 32768, &error, &segment), APR_SUCCESS);
    memset(segment.base, 1, 32768);
    ck_assert_int_eq(mrc_segment_create(pool, dir, "b", 65536, &error, &segment), ENOSPC);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment");
    TCase *tcase = tcase_create("segment");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, is_shared_private_and_zeroed);
    tcase_add_test(tcase, ends_with_its_pool);
    tcase_add_test(tcase, refuses_an_existing_file);
    tcase_add_test(tcase, opens_only_files_with_content);
    tcase_add_test(tcase, the_limit_on_file_sizes_is_an_error);
    tcase_add_test(tcase, large_segments_leave_room_to_others);
    tcase_add_test(tcase, a_full_disk_is_an_error);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
