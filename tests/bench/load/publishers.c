#include "publishers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base.h"
#include "request.h"

struct publisher {
    struct wire wire; /* must be the first member */
    struct publishers *all;
    struct answer answer;
    uint32_t next; /* number of the next update */
    bool waits;    /* for the answer to this update */
    uint64_t sent_ns;
};

struct publishers {
    const struct options *options;
    struct wire_loop *loop;
    struct ledger *ledger;
    struct publisher *list;
    uint32_t connected, answered, failed;
    int status; /* of the last failed publication; 0 if its connection ended */
    uint64_t *sent_ns, start_ns, last_ns;
    bool started;
    struct histogram latency;
    char *data;
};

static bool is_done(const struct publisher *publisher)
{
    return publisher->next >= publisher->all->options->updates;
}

/* The time at which the next update of PUBLISHER is due. */
static uint64_t due_ns(const struct publisher *publisher)
{
    const struct publishers *all = publisher->all;

    if (all->options->rate <= 0)
        return all->start_ns;
    return all->start_ns + (uint64_t)((double)publisher->next * 1e9 / all->options->rate);
}

static void publish(struct publisher *publisher, uint64_t now_ns)
{
    struct publishers *all = publisher->all;
    uint32_t update = publisher->next;
    size_t len;
    char *request;

    ledger_write(all->ledger, update, all->data);
    request = request_publish(all->options, ledger_topic(all->ledger, update), all->data, &len);
    publisher->waits = true;
    publisher->sent_ns = now_ns;
    all->sent_ns[update] = all->options->rate > 0 ? due_ns(publisher) : now_ns;
    wire_send(&publisher->wire, request, len);
    free(request);
}

static void opened(struct wire *wire)
{
    ((struct publisher *)wire)->all->connected++;
}

static void ignore(void *baton, const char *bytes, size_t len)
{
}

static void count_answer(struct publisher *publisher, int status)
{
    struct publishers *all = publisher->all;

    all->last_ns = base_now_ns();
    histogram_add(&all->latency, all->last_ns - publisher->sent_ns);
    if (status >= 200 && status < 300) {
        ledger_accept(all->ledger, publisher->next);
    } else {
        all->failed++;
        all->status = status;
    }
    all->answered++;
    publisher->waits = false;
    publisher->next += all->options->publishers;
}

static void ended(struct wire *wire);
static void came(struct wire *wire, const char *bytes, size_t len);
static const struct wire_owner publisher_owner = {opened, came, ended};

static void reconnect(struct publisher *publisher)
{
    publisher->all->connected--;
    answer_reset(&publisher->answer);
    wire_open(publisher->all->loop, &publisher->wire, &publisher_owner);
}

static void came(struct wire *wire, const char *bytes, size_t len)
{
    struct publisher *publisher = (struct publisher *)wire;
    enum answer_state state = answer_take(&publisher->answer, bytes, len, ignore, NULL);
    int status = publisher->answer.status;
    bool closes = publisher->answer.closes;

    if (state < ANSWER_WHOLE)
        return;
    if (state == ANSWER_BAD || !publisher->waits)
        base_die("the answer to a publication is not HTTP, or comes without a request");
    answer_reset(&publisher->answer);
    count_answer(publisher, status);
    if (closes) {
        wire_close(wire);
        reconnect(publisher);
    } else if (!is_done(publisher) && publisher->all->options->rate <= 0) {
        publish(publisher, base_now_ns());
    }
}

/* A publication whose connection ends before the answer has failed. The publisher reconnects. */
static void ended(struct wire *wire)
{
    struct publisher *publisher = (struct publisher *)wire;

    if (publisher->waits)
        count_answer(publisher, 0);
    if (!is_done(publisher))
        reconnect(publisher);
}

struct publishers *publishers_make(const struct options *options, struct wire_loop *loop,
                                   struct ledger *ledger, uint64_t *sent_ns)
{
    struct publishers *all = base_alloc(1, sizeof(*all));

    all->options = options;
    all->loop = loop;
    all->ledger = ledger;
    all->sent_ns = sent_ns;
    all->data = base_alloc(options->data_bytes, 1);
    all->list = base_alloc(options->publishers, sizeof(*all->list));
    for (uint32_t i = 0; i < options->publishers; i++) {
        all->list[i].all = all;
        all->list[i].next = i;
        wire_open(loop, &all->list[i].wire, &publisher_owner);
    }
    return all;
}

bool publishers_are_connected(const struct publishers *publishers)
{
    return publishers->connected == publishers->options->publishers;
}

void publishers_start(struct publishers *publishers)
{
    publishers->start_ns = publishers->last_ns = base_now_ns();
    publishers->started = true;
}

uint64_t publishers_step(struct publishers *publishers)
{
    uint64_t now_ns = base_now_ns(), earliest_ns = 0;

    for (uint32_t i = 0; publishers->started && i < publishers->options->publishers; i++) {
        struct publisher *publisher = &publishers->list[i];

        if (publisher->waits || is_done(publisher) || !publisher->wire.open)
            continue;
        if (due_ns(publisher) <= now_ns)
            publish(publisher, now_ns);
        else if (!earliest_ns || due_ns(publisher) < earliest_ns)
            earliest_ns = due_ns(publisher);
    }
    return earliest_ns;
}

bool publishers_are_done(const struct publishers *publishers)
{
    return publishers->answered == publishers->options->updates;
}

uint32_t publishers_answered(const struct publishers *publishers)
{
    return publishers->answered;
}

double publishers_took_s(const struct publishers *publishers)
{
    return (double)(publishers->last_ns - publishers->start_ns) / 1e9;
}

bool publishers_report(const struct publishers *publishers, FILE *out)
{
    double took_s = publishers_took_s(publishers);

    fprintf(out,
            "\"publications\": %" PRIu32 ", \"publications_failed\": %" PRIu32
            ", \"failed_status\": %d, \"publications_per_s\": %.2f, \"answer_p50_us\": %.1f, "
            "\"answer_p99_us\": %.1f",
            publishers->answered, publishers->failed, publishers->status,
            took_s > 0 ? (double)publishers->answered / took_s : 0,
            (double)histogram_quantile(&publishers->latency, 0.5) / 1e3,
            (double)histogram_quantile(&publishers->latency, 0.99) / 1e3);
    return publishers->failed == 0 && publishers_are_done(publishers);
}
