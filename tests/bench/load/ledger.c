#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

#define NOWHERE     UINT32_MAX
#define NUMBER_LEN  8
#define FILLER_STEP 61 /* number of different beginnings of the filler */

/* Positions of its group's order that a reader has skipped: FROM up to TO - 1. */
struct ledger_gap {
    uint32_t from, to;
    struct ledger_gap *next;
};

struct group {
    uint32_t ordered;  /* positions whose update is known */
    uint32_t accepted; /* updates that the hub has accepted */
    uint32_t readers;
};

struct ledger {
    uint32_t updates, publishers, topics, topics_each;
    size_t data_bytes;
    char *filler;
    uint32_t *position; /* of each update in its group's order */
    uint32_t *newest;   /* by group and publisher: the number after the last update in the order */
    struct group *groups;
    uint64_t due;
    struct ledger_counts counts; /* lost stays 0 here */
};

struct ledger *ledger_make(uint32_t updates, uint32_t publishers, uint32_t topics,
                           uint32_t topics_each, size_t data_bytes)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct ledger *ledger = base_alloc(1, sizeof(*ledger));
    uint32_t groups = (topics + topics_each - 1) / topics_each;

    ledger->updates = updates;
    ledger->publishers = publishers;
    ledger->topics = topics;
    ledger->topics_each = topics_each;
    ledger->data_bytes = data_bytes;
    ledger->filler = base_alloc(data_bytes + FILLER_STEP, 1);
    for (size_t i = 0; i < data_bytes + FILLER_STEP; i++)
        ledger->filler[i] = alphabet[i * 7 % (sizeof(alphabet) - 1)];
    ledger->position = base_alloc(updates, sizeof(*ledger->position));
    memset(ledger->position, 0xff, updates * sizeof(*ledger->position));
    ledger->newest = base_alloc((size_t)groups * publishers, sizeof(*ledger->newest));
    ledger->groups = base_alloc(groups, sizeof(*ledger->groups));
    return ledger;
}

uint32_t ledger_topic(const struct ledger *ledger, uint32_t update)
{
    uint64_t mixed = (update + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)((mixed >> 32) % ledger->topics);
}

static const char *filler_of(const struct ledger *ledger, uint32_t update)
{
    return ledger->filler + update % FILLER_STEP;
}

void ledger_write(const struct ledger *ledger, uint32_t update, char *ret_data)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < NUMBER_LEN; i++)
        ret_data[i] = digits[update >> (4 * (NUMBER_LEN - 1 - i)) & 15];
    memcpy(ret_data + NUMBER_LEN, filler_of(ledger, update), ledger->data_bytes - NUMBER_LEN);
}

/* The number of the update that has exactly this data; NOWHERE if there is none. */
static uint32_t read_update(const struct ledger *ledger, const char *data, size_t len)
{
    uint32_t update = 0;

    if (len != ledger->data_bytes)
        return NOWHERE;
    for (int i = 0; i < NUMBER_LEN; i++) {
        char c = data[i];

        if (c >= '0' && c <= '9')
            update = update << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            update = update << 4 | (uint32_t)(c - 'a' + 10);
        else
            return NOWHERE;
    }
    if (update >= ledger->updates ||
        memcmp(data + NUMBER_LEN, filler_of(ledger, update), len - NUMBER_LEN) != 0)
        return NOWHERE;
    return update;
}

void ledger_join(struct ledger *ledger, struct ledger_reader *ret_reader, uint32_t group,
                 uint32_t from)
{
    *ret_reader = (struct ledger_reader){.group = group, .next = from};
    ledger->groups[group].readers++;
    ledger->due += ledger->groups[group].accepted - from;
}

void ledger_accept(struct ledger *ledger, uint32_t update)
{
    struct group *group = &ledger->groups[ledger_topic(ledger, update) / ledger->topics_each];

    group->accepted++;
    ledger->due += group->readers;
}

/* Adds an update to the end of its group's order. The updates of one publisher must be in order. */
static uint32_t write_down(struct ledger *ledger, uint32_t number, uint32_t update)
{
    size_t place = (size_t)number * ledger->publishers + update % ledger->publishers;
    uint32_t *newest = &ledger->newest[place];

    if (update < *newest)
        ledger->counts.reordered++;
    else
        *newest = update + 1;
    ledger->position[update] = ledger->groups[number].ordered++;
    return ledger->position[update];
}

/* Takes an update at a position that the reader has passed: it fills a gap, or comes twice. */
static void take_late(struct ledger *ledger, struct ledger_reader *reader, uint32_t position)
{
    for (struct ledger_gap **at = &reader->gaps; *at; at = &(*at)->next) {
        struct ledger_gap *gap = *at, *rest;

        if (position < gap->from || position >= gap->to)
            continue;
        ledger->counts.reordered++;
        ledger->counts.received++;
        if (position + 1 < gap->to) {
            rest = base_alloc(1, sizeof(*rest));
            *rest = (struct ledger_gap){.from = position + 1, .to = gap->to, .next = gap->next};
            gap->next = rest;
        }
        gap->to = position;
        if (gap->from == gap->to) {
            *at = gap->next;
            free(gap);
        }
        return;
    }
    ledger->counts.doubled++;
}

uint32_t ledger_receive(struct ledger *ledger, struct ledger_reader *reader, const char *data,
                        size_t len)
{
    uint32_t update = read_update(ledger, data, len), position;
    struct ledger_gap *gap;

    if (update == NOWHERE) {
        ledger->counts.corrupt++;
        return NOWHERE;
    }
    if (ledger_topic(ledger, update) / ledger->topics_each != reader->group) {
        ledger->counts.misrouted++;
        return update;
    }
    position = ledger->position[update];
    if (position == NOWHERE)
        position = write_down(ledger, reader->group, update);
    if (position < reader->next) {
        take_late(ledger, reader, position);
        return update;
    }
    if (position > reader->next) {
        gap = base_alloc(1, sizeof(*gap));
        *gap = (struct ledger_gap){.from = reader->next, .to = position, .next = reader->gaps};
        reader->gaps = gap;
    }
    reader->next = position + 1;
    ledger->counts.received++;
    return update;
}

struct ledger_counts ledger_count(const struct ledger *ledger)
{
    struct ledger_counts counts = ledger->counts;

    counts.lost = ledger->due > counts.received ? ledger->due - counts.received : 0;
    return counts;
}

bool ledger_is_complete(const struct ledger *ledger)
{
    return ledger->counts.received >= ledger->due;
}

bool ledger_report(const struct ledger *ledger, FILE *out)
{
    struct ledger_counts counts = ledger_count(ledger);

    fprintf(out,
            "\"deliveries\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"doubled\": %" PRIu64
            ", \"reordered\": %" PRIu64 ", \"misrouted\": %" PRIu64 ", \"corrupt\": %" PRIu64,
            counts.received, counts.lost, counts.doubled, counts.reordered, counts.misrouted,
            counts.corrupt);
    return counts.received == ledger->due && !counts.doubled && !counts.reordered &&
           !counts.misrouted && !counts.corrupt;
}
