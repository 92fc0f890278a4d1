/*
 * ringdump: shows the shared memory of a hub, whether its server is running or dead.
 *
 *     ringdump [--records | --payload] [--from SEQ] FILE
 *
 * FILE is RUNTIME_DIR/mercure-KEY.hub-N, or .control for the child slots of the server. If the file
 * has many hubs, those that have memory are shown, one after the other. Prints the header, the
 * regions, the ring's positions and numbers, with --records every record, with --payload their
 * content too, and at the end all contradictions. It writes nothing and takes no lock. While the
 * hub is published to, a contradiction may be transient: run ringdump again.
 *
 * Exit status: 0 sound, 1 contradictions, 2 no such file or wrong usage, 3 not a segment of a hub
 * or server.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apr_general.h"
#include "apr_pools.h"
#include "store/base/status.h"
#include "store/hub/segment.h"
#include "store/memory/hub_file.h"
#include "store/regions/link.h"
#include "store/shm/control.h"
#include "store/shm/control_layout.h"

enum { EXIT_SOUND = 0, EXIT_CONTRADICTION = 1, EXIT_USAGE = 2, EXIT_FOREIGN = 3 };

struct options {
    bool records;
    bool payload;
    uint64_t from; /* seq */
    const char *path;
};

static void usage(FILE *to)
{
    fprintf(to, "usage: ringdump [--records | --payload] [--from SEQ] FILE\n"
                "Shows a hub's segment (mercure-KEY.hub-N) or a server's (mercure-KEY.control).\n");
}

/* Prints BYTES on one line. All but printable ASCII becomes \n, \r, \t, \\ or \xHH. */
static void print_escaped(struct mrc_bytes bytes)
{
    size_t i;

    for (i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];

        if (c == '\n')
            fputs("\\n", stdout);
        else if (c == '\r')
            fputs("\\r", stdout);
        else if (c == '\t')
            fputs("\\t", stdout);
        else if (c == '\\')
            fputs("\\\\", stdout);
        else if (c >= 0x20 && c < 0x7f)
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

static void print_time(int64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    char text[40];
    struct tm tm;

    if (time_us >= 0 && gmtime_r(&seconds, &tm) && tm.tm_year < 8100 &&
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
        printf("%s.%06dZ", text, (int)(time_us % 1000000));
    else
        printf("%" PRId64 "us", time_us);
}

static const char *region_name(unsigned type)
{
    static const char *const names[] = {
        [MRC_HUB_REGION_INTEREST] = "interest",
        [MRC_HUB_REGION_BUCKETS] = "buckets",
        [MRC_HUB_REGION_RING] = "ring",
        [MRC_HUB_REGION_INDEX] = "index",
        [MRC_HUB_REGION_SETS] = "sets",
        [MRC_HUB_REGION_CLIENTS] = "clients",
        [MRC_HUB_REGION_COUNTERS] = "counters",
        [MRC_HUB_REGION_STAGING] = "staging",
        [MRC_HUB_REGION_PRESENCE] = "presence",
        [MRC_HUB_REGION_CENSUS] = "census",
        [MRC_HUB_REGION_REVOCATIONS] = "revocations",
        [MRC_HUB_REGION_LINK] = "link",
        [MRC_HUB_REGION_BUSIEST] = "busiest",
        [MRC_HUB_REGION_SAMPLES] = "samples",
    };

    return names[type];
}

/* ---- A hub ------------------------------------------------------------------------------------*/

static void print_hub(const struct mrc_hub_segment *hub)
{
    const struct mrc_interests *interests = mrc_hub_segment_interests(hub);
    unsigned type;
    unsigned slot;

    printf("hub       ");
    print_escaped(mrc_bytes_of(mrc_hub_segment_key(hub)));
    printf("\ncreated   ");
    print_time(mrc_hub_segment_created_us(hub));
    printf("\nsize      %" PRIu64 " bytes, %u child slots\n", mrc_hub_segment_bytes(hub),
           mrc_hub_segment_nslots(hub));
    for (type = 0; type < MRC_HUB_REGION_USED; type++) {
        uint64_t bytes = 0;

        mrc_hub_segment_region(hub, (enum mrc_hub_region_type)type, &bytes);
        printf("region    %-8s  %" PRIu64 " bytes\n", region_name(type), bytes);
    }
    for (slot = 0; slot < mrc_hub_segment_nslots(hub); slot++)
        if (mrc_interests_listeners(interests, slot))
            printf("interest  slot %u: %" PRIu64 "\n", slot,
                   mrc_interests_listeners(interests, slot));
}

/* The link to the engine of a hub with a transport. */
static void print_link(apr_pool_t *pool, const struct mrc_hub_segment *hub)
{
    static const char *const states[] = {
        [MRC_LINK_STARTING] = "starting", [MRC_LINK_DOWN] = "down", [MRC_LINK_UP] = "up"};
    uint64_t bytes = 0;
    void *region = mrc_hub_segment_region(hub, MRC_HUB_REGION_LINK, &bytes);
    struct mrc_link_position position;
    struct mrc_link_status status;
    struct mrc_link *link;

    if (!region || mrc_link_attach(pool, region, bytes, &link) != APR_SUCCESS)
        return;
    mrc_link_get_position(link, &position);
    mrc_link_get_status(link, &status);
    printf("link      %s since ",
           (unsigned)status.state <= MRC_LINK_UP ? states[status.state] : "?");
    print_time(status.since_us);
    printf(", %" PRIu64 " machines with %" PRIu64 " other subscribers\n", status.machines,
           mrc_link_get_others(link));
    printf("log       generation %" PRIu32 ", entry %" PRIu64 " (writer %016" PRIx64 ", %" PRIu64
           "), %" PRIu64 " behind, %" PRIu64 " gaps\n",
           position.generation, position.number, position.token_writer, position.token_counter,
           status.lag, mrc_link_get_gap(link));
    printf("writer    %016" PRIx64 ", last counter %" PRIu64 "\n", mrc_link_writer(link),
           mrc_link_counter(link));
}

static void print_bound(const char *name, uint64_t bound)
{
    if (bound)
        printf(" %s %" PRIu64, name, bound);
}

static void print_ring(const struct mrc_ring *ring, const struct mrc_ring_stats *stats)
{
    struct mrc_ring_bounds bounds;

    mrc_ring_get_bounds(ring, &bounds);
    printf("state     %s\n", stats->superseded ? "superseded" : "open");
    printf("ring      capacity %" PRIu64 ", tail %" PRIu64 ", history %" PRIu64 ", head %" PRIu64
           "\n",
           stats->capacity, stats->tail, stats->history, stats->head);
    printf("history   %" PRIu64 " records, %" PRIu64 " bytes; bounds:", stats->records,
           stats->bytes);
    if (bounds.off)
        printf(" off");
    else if (!bounds.count && !bounds.bytes && !bounds.age_us)
        printf(" none");
    print_bound("count", bounds.count);
    print_bound("bytes", bounds.bytes);
    print_bound("age_us", bounds.age_us);
    printf("\nwriters   last seq %" PRIu64 ", %" PRIu64 " died with the lock, %" PRIu64 " resets\n",
           stats->last_seq, stats->recoveries, stats->resets);
}

/* Prints every record from the tail to the head of STATS. */
static void print_records(const struct mrc_ring *ring, const struct mrc_ring_stats *stats,
                          const struct options *options)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = stats->tail;
    apr_status_t status = APR_SUCCESS;

    while (pos < stats->head) {
        status = mrc_ring_read(ring, &pos, &record);
        if (status)
            break;
        if (record.view.seq < options->from)
            continue;
        printf("%s at %" PRIu64 " seq %" PRIu64 " ",
               record.view.is_control ? "control  " : "record   ", record.pos, record.view.seq);
        print_time(record.view.time_us);
        printf(" %s id ", record.pos < stats->history ? "past" : "history");
        print_escaped(record.view.id);
        printf(" stored %" PRIu64 " payload %zu", record.view.stored_bytes,
               record.view.payload.len);
        if (options->payload) {
            printf(": ");
            print_escaped(record.view.payload);
        }
        putchar('\n');
    }
    if (status)
        printf("records   end at %" PRIu64 ": %s\n", pos,
               mrc_status_text(status) ? mrc_status_text(status) : "no memory or no record");
    mrc_ring_record_free(&record);
}

static void say(void *ctx, const char *text)
{
    printf("WRONG     %s\n", text);
}

static int dump_hub(apr_pool_t *pool, const struct mrc_hub_segment *hub,
                    const struct options *options)
{
    const struct mrc_ring *ring = mrc_hub_segment_ring(hub);
    struct mrc_ring_stats stats;
    uint64_t wrong;

    print_hub(hub);
    mrc_ring_stats(ring, &stats);
    print_ring(ring, &stats);
    print_link(pool, hub);
    if (options->records)
        print_records(ring, &stats, options);
    wrong = mrc_ring_check(ring, say, NULL);
    if (wrong)
        printf("check     %" PRIu64 " contradictions\n", wrong);
    else
        printf("check     sound\n");
    return wrong ? EXIT_CONTRADICTION : EXIT_SOUND;
}

/* Prints the hubs of FILE that are made. Returns the worst exit status of one. */
static int dump_file(apr_pool_t *pool, const struct mrc_hub_file *file,
                     const struct options *options)
{
    int worst = EXIT_SOUND;
    size_t made = 0;

    for (size_t i = 0; i < mrc_hub_file_count(file); i++) {
        struct mrc_error error = {""};
        struct mrc_hub_segment *hub;
        int result = EXIT_CONTRADICTION;

        if (mrc_hub_file_state(file, i) != MRC_HUB_FILE_MADE)
            continue;
        made++;
        printf("number    %zu in the file\n", i);
        if (mrc_hub_file_open_hub(file, i, pool, &error, &hub) == APR_SUCCESS)
            result = dump_hub(pool, hub, options);
        else
            printf("WRONG     %s\n", error.text);
        putchar('\n');
        worst = result > worst ? result : worst;
    }
    printf("file      %zu hubs, %zu with memory\n", mrc_hub_file_count(file), made);
    return worst;
}

/* ---- A server ---------------------------------------------------------------------------------*/

static void dump_control(const struct mrc_control *control)
{
    static const char *const names[] = {"free", "live", "dead", "reaping"};
    struct mrc_control_child child;
    unsigned slot;

    printf("server    %u child slots\n", mrc_control_nslots(control));
    for (slot = 0; mrc_control_get(control, slot, &child); slot++) {
        if (child.state == MRC_CONTROL_FREE)
            continue;
        printf("slot %-4u %s pid %d", slot,
               (unsigned)child.state < sizeof(names) / sizeof(names[0])
                   ? names[(unsigned)child.state]
                   : "WRONG state",
               (int)child.pid);
        if (child.reaper)
            printf(" reaper %d", (int)child.reaper);
        printf(" generation %" PRIu64 "\n", child.generation);
    }
}

/* ---- The command ------------------------------------------------------------------------------*/

static bool parse(int argc, char **argv, struct options *options)
{
    int i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--records") == 0) {
            options->records = true;
        } else if (strcmp(argv[i], "--payload") == 0) {
            options->records = true;
            options->payload = true;
        } else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
            char *end;

            options->from = strtoull(argv[++i], &end, 10);
            if (end == argv[i] || *end)
                return false;
        } else if (argv[i][0] == '-' || options->path) {
            return false;
        } else {
            options->path = argv[i];
        }
    }
    return options->path != NULL;
}

int main(int argc, char **argv)
{
    struct options options = {.from = 0};
    struct mrc_error hub_error = {""};
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;
    struct mrc_hub_file *file;
    struct mrc_control *control;
    apr_status_t status;
    apr_pool_t *pool;
    int result;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return 0;
    }
    if (!parse(argc, argv, &options)) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return EXIT_USAGE;
    status = mrc_hub_segment_open(pool, options.path, &hub_error, &hub);
    if (status == APR_SUCCESS) {
        result = dump_hub(pool, hub, &options);
        mrc_hub_segment_close(hub);
    } else if (status != MRC_STATUS_CORRUPT) {
        fprintf(stderr, "ringdump: %s\n", hub_error.text);
        result = EXIT_USAGE;
    } else if (mrc_hub_file_open(pool, options.path, &error, &file) == APR_SUCCESS) {
        result = dump_file(pool, file, &options);
        mrc_hub_file_close(file);
    } else if (mrc_control_open(pool, options.path, &error, &control) == APR_SUCCESS) {
        dump_control(control);
        mrc_control_close(control);
        result = EXIT_SOUND;
    } else {
        fprintf(stderr, "ringdump: %s\n", hub_error.text);
        result = EXIT_FOREIGN;
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return result;
}
