/*
 * The load generator of `./dev bench`: subscribers and publishers in one process. It proves that
 * every subscriber got all its updates, once and in order, and measures what that cost the server.
 *
 *     load run OPTION…     Subscribers connect, updates are published, and all must arrive.
 *     load storm OPTION…   All updates are published. Then all subscribers connect at once with
 *                          the id of the first update, and must get the others.
 *     load hold OPTION…    Subscribers connect and stay. Prints a line of JSON when all have
 *                          connected, and one for each line on standard input until that ends.
 *     load usage PID       Prints the CPU and the memory of a server.
 *
 * options.c lists the options, options.h explains them. Each command prints lines of JSON. The
 * status is 0 if everything arrived as it must, 1 if it did not, and 2 if it could not be tried.
 *
 * A latency begins when the update was due (--rate) or was given to the kernel, and ends when a
 * subscriber has read it. CPU is that of the server's processes; over loopback, the sender also
 * pays for the work of TCP at the receiver.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "crowd.h"
#include "histogram.h"
#include "ledger.h"
#include "options.h"
#include "publishers.h"
#include "usage.h"
#include "wire.h"

#define STEP_MS   100
#define SETTLE_NS 300000000 /* pause before updates are sent, and for duplicates afterwards */

struct load {
    struct options options;
    struct wire_loop *loop;
    struct ledger *ledger;
    struct crowd *crowd;
    struct publishers *publishers;
    uint64_t *sent_ns;
    struct histogram latency, caught_up;
    double connect_s, connect_cpu_us;
};

/* ---- waiting ----------------------------------------------------------------------------------*/

static void settle(struct load *load)
{
    uint64_t end = base_now_ns() + SETTLE_NS;

    while (base_now_ns() < end)
        wire_loop_step(load->loop, STEP_MS, end);
}

typedef bool condition_fn(struct load *load);

/* Waits until CONDITION holds, or until there was no progress for stall_s. Returns whether it
 * holds. */
static bool wait_for(struct load *load, condition_fn *condition)
{
    uint64_t stall_ns = (uint64_t)(load->options.stall_s * 1e9), moved_ns = base_now_ns();
    uint64_t before = 0;

    while (!condition(load)) {
        uint64_t due_ns = load->publishers ? publishers_step(load->publishers) : 0;
        uint64_t progress = ledger_count(load->ledger).received;

        wire_loop_step(load->loop, STEP_MS, due_ns);
        if (load->crowd)
            progress += crowd_answers(load->crowd);
        if (load->publishers)
            progress += publishers_answered(load->publishers);
        if (progress != before || due_ns)
            moved_ns = base_now_ns();
        else if (base_now_ns() - moved_ns > stall_ns)
            return false;
        before = progress;
    }
    return true;
}

static bool all_inside(struct load *load)
{
    return crowd_step(load->crowd);
}

static bool publishers_here(struct load *load)
{
    return publishers_are_connected(load->publishers);
}

static bool all_published(struct load *load)
{
    return publishers_are_done(load->publishers);
}

static bool all_arrived(struct load *load)
{
    if (load->crowd && !crowd_step(load->crowd))
        return false;
    return publishers_are_done(load->publishers) && ledger_is_complete(load->ledger);
}

/* ---- the parts of a run -----------------------------------------------------------------------*/

static void prepare(struct load *load, uint32_t updates)
{
    const struct options *options = &load->options;

    load->loop = wire_loop_make(&options->target, options->sources, options->tls, options->resumes);
    load->ledger = ledger_make(updates, options->publishers, options->topics, options->topics_each,
                               options->data_bytes);
    load->sent_ns = base_alloc(updates, sizeof(*load->sent_ns));
}

static void connect_crowd(struct load *load, uint32_t count)
{
    uint64_t start_ns = base_now_ns();
    double start_us = usage_cpu_us(load->options.pid);

    load->crowd =
        crowd_make(&load->options, load->loop, load->ledger, count, load->sent_ns, &load->latency);
    crowd_connect(load->crowd, NULL, 0, 0, NULL);
    wait_for(load, all_inside);
    load->connect_s = (double)(base_now_ns() - start_ns) / 1e9;
    load->connect_cpu_us = usage_cpu_us(load->options.pid) - start_us;
}

static void connect_publishers(struct load *load)
{
    load->publishers = publishers_make(&load->options, load->loop, load->ledger, load->sent_ns);
    if (!wait_for(load, publishers_here))
        base_die("the publishers cannot connect");
}

static double per(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static void report_latency(const struct load *load)
{
    printf(", \"latency_p50_us\": %.1f, \"latency_p90_us\": %.1f, \"latency_p99_us\": %.1f, "
           "\"latency_max_us\": %.1f",
           (double)histogram_quantile(&load->latency, 0.5) / 1e3,
           (double)histogram_quantile(&load->latency, 0.9) / 1e3,
           (double)histogram_quantile(&load->latency, 0.99) / 1e3, (double)load->latency.max / 1e3);
}

static void report_connecting(const struct load *load, uint32_t count)
{
    printf(", \"connects_per_s\": %.1f, \"connect_cpu_us\": %.2f", per(count, load->connect_s),
           per(load->connect_cpu_us, count));
}

/* ---- the commands -----------------------------------------------------------------------------*/

static int command_run(struct load *load)
{
    const struct options *options = &load->options;
    double cpu_us, deliveries, took_s;
    uint64_t start_ns, end_ns;
    bool good;

    prepare(load, options->updates);
    connect_crowd(load, options->subscribers);
    connect_publishers(load);
    settle(load);
    cpu_us = usage_cpu_us(options->pid);
    start_ns = base_now_ns();
    publishers_start(load->publishers);
    wait_for(load, all_arrived);
    cpu_us = usage_cpu_us(options->pid) - cpu_us;
    end_ns = crowd_last_ns(load->crowd) ? crowd_last_ns(load->crowd) : base_now_ns();
    settle(load);

    deliveries = (double)ledger_count(load->ledger).received;
    took_s = (double)(end_ns - start_ns) / 1e9;
    printf("{");
    good = crowd_report(load->crowd, stdout);
    printf(", ");
    good &= publishers_report(load->publishers, stdout);
    printf(", ");
    good &= ledger_report(load->ledger, stdout);
    printf(", \"deliveries_per_s\": %.1f, \"cpu_us_per_delivery\": %.4f, "
           "\"cpu_us_per_publication\": %.3f",
           per(deliveries, took_s), per(cpu_us, deliveries), per(cpu_us, options->updates));
    report_latency(load);
    report_connecting(load, options->subscribers);
    printf(", \"verdict\": \"%s\"}\n", good ? "ok" : "bad");
    return good ? 0 : 1;
}

static int command_storm(struct load *load)
{
    const struct options *options = &load->options;
    struct crowd *scout;
    double cpu_us;
    uint64_t start_ns, end_ns;
    const char *after;
    bool good;

    if (options->topics != 1 || options->updates < 2)
        base_die("a storm needs one topic and at least two updates");
    prepare(load, options->updates);
    /* One subscriber connects first, to learn the id of the first update. */
    connect_crowd(load, 1);
    scout = load->crowd;
    connect_publishers(load);
    settle(load);
    publishers_start(load->publishers);
    if (!wait_for(load, all_published) || !wait_for(load, all_arrived))
        base_die("the history could not be published");
    after = crowd_event_id(scout, 0);
    if (!*after)
        base_die("the first update had no id");
    settle(load);

    load->crowd = crowd_make(options, load->loop, load->ledger, options->subscribers, load->sent_ns,
                             &load->latency);
    cpu_us = usage_cpu_us(options->pid);
    start_ns = base_now_ns();
    crowd_connect(load->crowd, after, 1, options->updates, &load->caught_up);
    wait_for(load, all_arrived);
    cpu_us = usage_cpu_us(options->pid) - cpu_us;
    end_ns = crowd_last_ns(load->crowd) ? crowd_last_ns(load->crowd) : base_now_ns();
    settle(load);

    printf("{");
    good = crowd_report(load->crowd, stdout) && crowd_counts(scout)->open == 1;
    printf(", ");
    good &= publishers_report(load->publishers, stdout);
    printf(", ");
    good &= ledger_report(load->ledger, stdout);
    printf(", \"storm_s\": %.4f, \"cpu_us_per_reconnect\": %.2f, \"caught_up_p50_us\": %.1f, "
           "\"caught_up_p99_us\": %.1f, \"verdict\": \"%s\"}\n",
           (double)(end_ns - start_ns) / 1e9, per(cpu_us, options->subscribers),
           (double)histogram_quantile(&load->caught_up, 0.5) / 1e3,
           (double)histogram_quantile(&load->caught_up, 0.99) / 1e3, good ? "ok" : "bad");
    return good ? 0 : 1;
}

/* Whether a line came on standard input; *RET_ENDED is set when there will be no more. */
static bool was_asked(bool *ret_ended)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[64];
    ssize_t len;

    if (poll(&input, 1, 0) <= 0)
        return false;
    len = read(STDIN_FILENO, line, sizeof(line));
    *ret_ended = len <= 0;
    return len > 0;
}

static bool report_hold(const struct load *load)
{
    bool good;

    printf("{");
    good = crowd_report(load->crowd, stdout);
    printf(", ");
    good &= ledger_report(load->ledger, stdout);
    report_connecting(load, load->options.subscribers);
    printf(", \"verdict\": \"%s\"}\n", good ? "ok" : "bad");
    fflush(stdout);
    return good;
}

static int command_hold(struct load *load)
{
    bool is_over = false, good;

    prepare(load, 1);
    connect_crowd(load, load->options.subscribers);
    good = report_hold(load);
    while (!is_over) {
        wire_loop_step(load->loop, STEP_MS, 0);
        if (was_asked(&is_over))
            good = report_hold(load);
    }
    return good ? 0 : 1;
}

static int command_usage(const char *pid)
{
    static struct usage usage;

    usage_take(strtol(pid, NULL, 10), &usage);
    usage_print(stdout, &usage);
    return 0;
}

int main(int argc, char **argv)
{
    struct load *load = base_alloc(1, sizeof(*load));
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "usage") == 0 && argc == 3)
        return command_usage(argv[2]);
    base_raise_descriptors();
    if (argc > 1)
        options_read(argc - 1, argv + 1, &load->options);
    if (strcmp(command, "run") == 0)
        return command_run(load);
    if (strcmp(command, "storm") == 0)
        return command_storm(load);
    if (strcmp(command, "hold") == 0)
        return command_hold(load);
    base_die("name a command: run, storm, hold or usage");
}
