/* Revocations when a reload changes the hub while children still use the old one. */
#include <sys/wait.h>

#include "hub/control/order.h"
#include "hub/hub/revocation.h"
#include "hub_unit.h"
#include "store/base/status.h"
#include "store/memory/memory.h"
#include "store/regions/revocations.h"

/* An entry is known by the first byte of its id. */
struct id {
    unsigned char bytes[MRC_REVOCATION_ID_BYTES];
};

static apr_status_t add(struct mrc_hub *hub, char name)
{
    const struct id id = {{(unsigned char)name}};
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);

    order.jti = mrc_bytes_of("1");
    order.until_us = INT64_C(9000000000000000);
    return mrc_revocation_add(hub, id.bytes, &order, apr_time_now());
}

static apr_status_t drop(struct mrc_hub *hub, char name)
{
    const struct id id = {{(unsigned char)name}};

    return mrc_revocation_lift(hub, id.bytes, apr_time_now());
}

/* The names in the list, in alphabetical order. */
struct names {
    char text[256];
};

static apr_status_t add_name(void *ctx, const struct mrc_revocation *entry)
{
    struct names *names = ctx;

    names->text[entry->id[0]] = (char)entry->id[0];
    return APR_SUCCESS;
}

static struct names sort(const struct names *set)
{
    struct names sorted = {""};
    size_t len = 0;

    for (size_t i = 0; i < sizeof(set->text); i++)
        if (set->text[i])
            sorted.text[len++] = set->text[i];
    return sorted;
}

static struct names listed(const struct mrc_revocations *list)
{
    struct names names = {""};
    struct mrc_revocation entry;
    struct mrc_buf copy;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(list, &copy);
    while (mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry))
        add_name(&names, &entry);
    mrc_buf_free(&copy);
    return sort(&names);
}

static struct names kept(const struct mrc_hub *hub)
{
    struct names names = {""};

    ck_assert_int_eq(mrc_history_revoked(mrc_hub_history(hub), add_name, &names), APR_SUCCESS);
    return sort(&names);
}

static void load(struct mrc_hub *hub)
{
    ck_assert_int_eq(mrc_revocation_load(hub, apr_time_now()), APR_SUCCESS);
}

/* Opens the hub of PLACE as a child with another configuration would. */
static struct mrc_hub *open_with(const struct hub_place *place, const struct mrc_hub_spec *spec)
{
    struct mrc_error error = {""};
    struct mrc_hub *hub = mrc_hub_open(place->pool, place->segment, place->notify, HUB_SLOT, 0,
                                       spec, MRC_HISTORY_OPEN_WAIT_US, &error);

    ck_assert_msg(hub != NULL, "%s", error.text);
    load(hub);
    return hub;
}

START_TEST(another_file_and_the_list_get_what_both_have)
{
    struct mrc_hub_spec spec = {.shape = {.is_controlled = true}};
    struct mrc_hub_spec specs[2] = {spec, spec};
    struct hub_place before, place;
    struct mrc_hub *later;

    if (!mrc_history_has_lmdb())
        return;
    specs[0].history_dir = store_dir();
    specs[1].history_dir = store_dir();
    before = hub_place_open(1 << 20, &specs[1]); /* a server before this one */
    load(before.hub);
    ck_assert_int_eq(add(before.hub, 'b'), APR_SUCCESS);
    hub_place_close(&before);

    place = hub_place_open(1 << 20, &specs[0]);
    load(place.hub);
    ck_assert_int_eq(add(place.hub, 'a'), APR_SUCCESS);
    ck_assert_int_eq(add(place.hub, 'c'), APR_SUCCESS);
    later = open_with(&place, &specs[1]);
    ck_assert_str_eq(listed(mrc_hub_revocations(later)).text, "abc");
    ck_assert_str_eq(kept(later).text, "abc");

    /* What a child of the old configuration would write to its own file has not been done. */
    ck_assert_int_eq(add(place.hub, 'd'), MRC_STATUS_SUPERSEDED);
    ck_assert_int_eq(drop(place.hub, 'a'), MRC_STATUS_SUPERSEDED);
    ck_assert_str_eq(listed(mrc_hub_revocations(later)).text, "abc");
    ck_assert_int_eq(drop(later, 'a'), APR_SUCCESS);
    ck_assert_int_eq(add(later, 'd'), APR_SUCCESS);
    ck_assert_str_eq(listed(mrc_hub_revocations(later)).text, "bcd");
    ck_assert_str_eq(kept(later).text, "bcd");
    mrc_hub_close(later);
    hub_place_close(&place);
}
END_TEST

/* If the list cannot take all of both, the hub is not opened, and nothing is written. */
START_TEST(a_list_without_room_for_both_is_an_error)
{
    struct mrc_hub_spec spec = {.shape = {.is_controlled = true}};
    struct mrc_hub_spec specs[2] = {spec, spec};
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct id id = {{'f'}};
    struct hub_place before, place;
    struct mrc_error error = {""};
    struct mrc_hub *later;
    static char name[1000];
    unsigned count = 0;

    if (!mrc_history_has_lmdb())
        return;
    specs[0].history_dir = store_dir();
    specs[0].history_sync = MRC_HISTORY_SYNC_NONE;
    specs[1].history_dir = store_dir();
    before = hub_place_open(1 << 20, &specs[1]);
    load(before.hub);
    ck_assert_int_eq(add(before.hub, 'b'), APR_SUCCESS);
    hub_place_close(&before);

    memset(name, 'x', sizeof(name));
    order.jti = (struct mrc_bytes){name, sizeof(name)};
    order.until_us = INT64_C(9000000000000000);
    place = hub_place_open(4 << 20, &specs[0]);
    load(place.hub);
    for (;; count++) {
        apr_status_t status;

        memcpy(id.bytes + 1, &count, sizeof(count));
        status = mrc_revocation_add(place.hub, id.bytes, &order, apr_time_now());
        if (status == APR_ENOSPC && order.jti.len > 1)
            order.jti.len /= 2;
        else if (status == APR_ENOSPC)
            break;
        else
            ck_assert_int_eq(status, APR_SUCCESS);
    }
    later = mrc_hub_open(place.pool, place.segment, place.notify, HUB_SLOT, 0, &specs[1],
                         MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(later != NULL, "%s", error.text);
    ck_assert_int_eq(mrc_revocation_load(later, apr_time_now()), APR_ENOSPC);
    ck_assert_str_eq(kept(later).text, "b");
    mrc_hub_close(later);
    hub_place_close(&place);
}
END_TEST

/* A child uses the hub during a reload: it says when it has the hub open, and goes on after the
 * reload. */
static int lift_after_reload(struct mrc_memory *memory, const struct mrc_hub_spec *spec, int out,
                             int in)
{
    apr_pool_t *pool = store_pool();
    struct mrc_error error = {""};
    struct mrc_hub *hub =
        mrc_hub_open(pool, mrc_memory_hub(memory, "hub"), mrc_memory_notify(memory), 0, 0, spec,
                     MRC_HISTORY_OPEN_WAIT_US, &error);
    char c = 'x';

    if (!hub || mrc_revocation_load(hub, apr_time_now()) || add(hub, 'a') || add(hub, 'b') ||
        drop(hub, 'b') || drop(hub, 'b') != APR_NOTFOUND)
        return 1;
    if (write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
        return 2;
    if (drop(hub, 'a') != MRC_STATUS_SUPERSEDED)
        return 3;
    return drop(hub, 'z') == MRC_STATUS_SUPERSEDED ? 0 : 4; /* the new list may have it */
}

static void check_lift_during_reload(const char *history_dir)
{
    const char *dir = store_dir();
    struct mrc_hub_spec spec = {
        .shape = {.key = "hub",
                  .ring_bytes = 1 << 20,
                  .body_max_bytes = 1000,
                  .staging_bytes = history_dir ? (uint32_t)mrc_staging_bytes(
                                                     MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0)
                                               : 0,
                  .is_controlled = true},
        .history_dir = history_dir,
    };
    const struct mrc_hub_shape *const shapes[] = {&spec.shape};
    struct mrc_memory *memory;
    struct mrc_error error = {""};
    int to[2], from[2], status;
    pid_t pid;
    char c;

    ck_assert_int_eq(mrc_memory_open(store_pool(), dir, 2, &error, &memory), APR_SUCCESS);
    ck_assert_int_eq(mrc_memory_reconcile(memory, shapes, 1, NULL, NULL, &error), APR_SUCCESS);
    ck_assert_int_eq(pipe(to), 0);
    ck_assert_int_eq(pipe(from), 0);
    pid = fork();
    if (pid == 0)
        _exit(lift_after_reload(memory, &spec, from[1], to[0]));
    close(from[1]);
    ck_assert_int_eq(read(from[0], &c, 1), 1);
    spec.shape.ring_bytes *= 2;
    ck_assert_int_eq(mrc_memory_reconcile(memory, shapes, 1, NULL, NULL, &error), APR_SUCCESS);
    ck_assert_int_eq(write(to[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(listed(mrc_hub_segment_revocations(mrc_memory_hub(memory, "hub"))).text, "a");
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(a_lift_that_a_resize_overtakes_fails)
{
    check_lift_during_reload(NULL);
    if (mrc_history_has_lmdb())
        check_lift_during_reload(store_dir());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("revocation");
    TCase *tcase = tcase_create("revocation");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, another_file_and_the_list_get_what_both_have);
    tcase_add_test(tcase, a_list_without_room_for_both_is_an_error);
    tcase_add_test(tcase, a_lift_that_a_resize_overtakes_fails);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
