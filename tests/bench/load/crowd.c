#include "crowd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base.h"
#include "lines.h"
#include "request.h"

#define ID_BYTES 128

enum place { OUTSIDE, CONNECTING, INSIDE, GONE };

struct subscriber {
    struct wire wire; /* must be the first member */
    struct crowd *crowd;
    struct answer answer;
    struct lines lines;
    struct ledger_reader reader;
    enum place place;
    uint32_t update; /* of the current event */
};

struct crowd {
    const struct options *options;
    struct wire_loop *loop;
    struct ledger *ledger;
    struct subscriber *subscribers;
    uint32_t count, next, connecting, until;
    const uint64_t *sent_ns;
    struct histogram *latency, *caught_up;
    const char *after;
    uint64_t began_ns, now_ns, last_ns;
    struct crowd_counts counts;
    char first_ids[2][ID_BYTES]; /* of the first two events of the first subscriber */
};

struct crowd *crowd_make(const struct options *options, struct wire_loop *loop,
                         struct ledger *ledger, uint32_t count, const uint64_t *sent_ns,
                         struct histogram *latency)
{
    struct crowd *crowd = base_alloc(1, sizeof(*crowd));

    crowd->options = options;
    crowd->loop = loop;
    crowd->ledger = ledger;
    crowd->count = count;
    crowd->next = count;
    crowd->sent_ns = sent_ns;
    crowd->latency = latency;
    crowd->subscribers = base_alloc(count, sizeof(*crowd->subscribers));
    for (uint32_t i = 0; i < count; i++) {
        crowd->subscribers[i].crowd = crowd;
        crowd->subscribers[i].wire.fd = -1;
    }
    return crowd;
}

/* ---- events -----------------------------------------------------------------------------------*/

static void take_data(struct subscriber *subscriber, const char *value, size_t len)
{
    struct crowd *crowd = subscriber->crowd;

    subscriber->update = ledger_receive(crowd->ledger, &subscriber->reader, value, len);
    if (subscriber->update == UINT32_MAX)
        return;
    crowd->last_ns = crowd->now_ns;
    if (!crowd->until && crowd->sent_ns[subscriber->update])
        histogram_add(crowd->latency, crowd->now_ns - crowd->sent_ns[subscriber->update]);
    if (crowd->until && subscriber->reader.next == crowd->until)
        histogram_add(crowd->caught_up, crowd->now_ns - crowd->began_ns);
}

/* Stores the ids of the first two events of the first subscriber, as cursors for later. The hub
 * sends the id before the data. */
static void take_id(struct subscriber *subscriber, const char *value, size_t len)
{
    struct crowd *crowd = subscriber->crowd;
    uint32_t position = subscriber->reader.next;

    if (subscriber == crowd->subscribers && position < 2 && len < ID_BYTES) {
        memcpy(crowd->first_ids[position], value, len);
        crowd->first_ids[position][len] = '\0';
    }
}

static void take_line(void *baton, const char *line, size_t len)
{
    struct subscriber *subscriber = baton;

    if (len > 6 && memcmp(line, "data: ", 6) == 0)
        take_data(subscriber, line + 6, len - 6);
    else if (len > 4 && memcmp(line, "id: ", 4) == 0)
        take_id(subscriber, line + 4, len - 4);
    else if (len > 0 && line[0] == ':')
        subscriber->crowd->counts.comments++;
}

static void take_body(void *baton, const char *bytes, size_t len)
{
    struct subscriber *subscriber = baton;

    if (subscriber->answer.status == 200)
        lines_take(&subscriber->lines, bytes, len, take_line, subscriber);
}

/* ---- connections ------------------------------------------------------------------------------*/

static void leave(struct subscriber *subscriber, uint32_t *counter)
{
    struct crowd *crowd = subscriber->crowd;

    if (subscriber->place == CONNECTING)
        crowd->connecting--;
    else if (subscriber->place == INSIDE)
        crowd->counts.open--;
    subscriber->place = GONE;
    ++*counter;
    answer_reset(&subscriber->answer);
    lines_reset(&subscriber->lines);
}

static void opened(struct wire *wire)
{
    struct subscriber *subscriber = (struct subscriber *)wire;
    struct crowd *crowd = subscriber->crowd;
    uint32_t number = (uint32_t)(subscriber - crowd->subscribers);
    size_t len;
    char *request = request_subscribe(crowd->options, number,
                                      subscriber->reader.group * crowd->options->topics_each,
                                      crowd->after, &len);

    wire_send(wire, request, len);
    free(request);
}

static void came(struct wire *wire, const char *bytes, size_t len)
{
    struct subscriber *subscriber = (struct subscriber *)wire;
    struct crowd *crowd = subscriber->crowd;
    enum answer_state state;

    crowd->now_ns = base_now_ns();
    state = answer_take(&subscriber->answer, bytes, len, take_body, subscriber);
    if (subscriber->place == CONNECTING && subscriber->answer.status == 200) {
        subscriber->place = INSIDE;
        crowd->connecting--;
        crowd->counts.open++;
    }
    if (state == ANSWER_BAD || (subscriber->answer.status && subscriber->answer.status != 200)) {
        crowd->counts.status = subscriber->answer.status;
        wire_close(wire);
        leave(subscriber, &crowd->counts.refused);
    } else if (state == ANSWER_WHOLE) {
        wire_close(wire);
        leave(subscriber, &crowd->counts.ended);
    }
}

static void ended(struct wire *wire)
{
    struct subscriber *subscriber = (struct subscriber *)wire;

    leave(subscriber, subscriber->answer.state == ANSWER_UNTIL_CLOSE
                          ? &subscriber->crowd->counts.ended
                          : &subscriber->crowd->counts.cut);
}

static const struct wire_owner subscriber_owner = {opened, came, ended};

void crowd_connect(struct crowd *crowd, const char *after, uint32_t from, uint32_t until,
                   struct histogram *caught_up)
{
    uint32_t groups =
        (crowd->options->topics + crowd->options->topics_each - 1) / crowd->options->topics_each;

    crowd->after = after;
    crowd->until = until;
    crowd->caught_up = caught_up;
    crowd->next = 0;
    crowd->began_ns = base_now_ns();
    for (uint32_t i = 0; i < crowd->count; i++)
        ledger_join(crowd->ledger, &crowd->subscribers[i].reader, i % groups, from);
    crowd_step(crowd);
}

bool crowd_step(struct crowd *crowd)
{
    while (crowd->next < crowd->count && crowd->connecting < crowd->options->burst) {
        struct subscriber *subscriber = &crowd->subscribers[crowd->next++];

        subscriber->place = CONNECTING;
        crowd->connecting++;
        wire_open(crowd->loop, &subscriber->wire, &subscriber_owner);
    }
    return crowd->next == crowd->count && crowd->connecting == 0;
}

/* ---- results ----------------------------------------------------------------------------------*/

const struct crowd_counts *crowd_counts(const struct crowd *crowd)
{
    return &crowd->counts;
}

uint64_t crowd_answers(const struct crowd *crowd)
{
    const struct crowd_counts *counts = &crowd->counts;
    uint64_t gone = (uint64_t)counts->refused + counts->ended + counts->cut;

    /* A subscriber that has connected and gone counts twice. */
    return counts->open + gone * 2;
}

const char *crowd_event_id(const struct crowd *crowd, uint32_t position)
{
    return position < 2 ? crowd->first_ids[position] : "";
}

uint64_t crowd_last_ns(const struct crowd *crowd)
{
    return crowd->last_ns;
}

bool crowd_report(const struct crowd *crowd, FILE *out)
{
    const struct crowd_counts *counts = &crowd->counts;

    fprintf(out,
            "\"subscribers\": %" PRIu32 ", \"refused\": %" PRIu32 ", \"refused_status\": %d, "
            "\"ended\": %" PRIu32 ", \"cut\": %" PRIu32 ", \"comments\": %" PRIu64,
            counts->open, counts->refused, counts->status, counts->ended, counts->cut,
            counts->comments);
    return counts->open == crowd->count;
}
