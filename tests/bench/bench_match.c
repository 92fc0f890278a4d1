/*
 * Measures how long a match takes: exact, simple pattern, regular expression; and parsing a topic.
 *
 *     make tests/bench/bench_match && tests/bench/bench_match [ROUNDS]
 *
 * Prints one line for each case: a name, and the median of ROUNDS (15) rounds in nanoseconds per
 * operation. tests/bench/bench_match.mjs prints the same for Node's URLPattern, and both side by
 * side.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/topic/matcher.h"
#include "core/urlpattern/urlpattern.h"

#define BASE       "https://hub.example.com/.well-known/mercure"
#define ROUND_NS   20000000
#define MAX_ROUNDS 1000

/* One case: VALUE is matched against TOPIC. Without VALUE, only the topic is parsed. */
struct bench_case {
    const char *name;
    enum mrc_matcher_type type;
    const char *value;
    const char *topic;
    bool matches;
};

static const struct bench_case cases[] = {
    {"exact", MRC_MATCHER_EXACT, "https://example.com/books/1", "https://example.com/books/1",
     true},
    {"exact, another", MRC_MATCHER_EXACT, "https://example.com/books/1",
     "https://example.com/books/2", false},
    {"pattern :id", MRC_MATCHER_URLPATTERN, "https://example.com/books/:id",
     "https://example.com/books/1", true},
    {"pattern :id, another host", MRC_MATCHER_URLPATTERN, "https://example.com/books/:id",
     "https://example.org/books/1", false},
    {"pattern /*", MRC_MATCHER_URLPATTERN, "https://example.com/users/42/*",
     "https://example.com/users/42/books/1", true},
    {"pattern two groups", MRC_MATCHER_URLPATTERN, "https://example.com/users/:user/books/:book",
     "https://example.com/users/42/books/1", true},
    {"pattern modifiers", MRC_MATCHER_URLPATTERN, "http{s}?://{*.}?example.com/:path+",
     "https://www.example.com/a/b/c/d", true},
    {"pattern relative", MRC_MATCHER_URLPATTERN, "/books/:id", "/books/1", true},
    {"regexp (\\d+)", MRC_MATCHER_URLPATTERN, "https://example.com/books/(\\d+)",
     "https://example.com/books/1234", true},
    {"regexp alternatives", MRC_MATCHER_URLPATTERN,
     "https://example.com/(books|reviews)/:id([a-z0-9\\-]+)",
     "https://example.com/reviews/e1ee88e2-532a-4d6f-ba70-f0f8bd584022", true},
    {"regexp hostile", MRC_MATCHER_URLPATTERN, "https://example.com/((?:a|aa)*b|(?:a|aa)*c)",
     "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    {"text hostile", MRC_MATCHER_URLPATTERN, "https://example.com/*a*a*a*a*a*a*a*a*a*a*b",
     "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
    {"repetition hostile", MRC_MATCHER_URLPATTERN,
     "https://example.com/{a}*{aa}*{a}*{aa}*{a}*{aa}*{a}*{aa}*:x",
     "https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/", false},
    {"parse a topic", MRC_MATCHER_EXACT, NULL, "https://example.com/users/42/books/1", true},
    {"parse a relative topic", MRC_MATCHER_EXACT, NULL, "/users/42/books/1", true},
    {"parse a topic, IDN", MRC_MATCHER_EXACT, NULL,
     "https://b\xc3\xbc"
     "cher.example/1",
     true},
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Runs the case COUNT times. The topic is parsed once, as for an update with many matchers. */
static void run(const struct bench_case *it, const struct mrc_matcher *matcher,
                struct mrc_topic *topic, long count)
{
    for (long i = 0; i < count; i++) {
        const struct mrc_url *url;
        bool matches = false;

        if (it->value) {
            mrc_matcher_match_topic(matcher, topic, &matches);
        } else {
            mrc_topic_clear(topic);
            matches = mrc_topic_get_url(topic, &url) == MRC_OK;
        }
        if (matches != it->matches) {
            fprintf(stderr, "%s: matches %d\n", it->name, matches);
            exit(1);
        }
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The median of ROUNDS rounds of about ROUND_NS each. */
static double measure(const struct bench_case *it, const struct mrc_matcher *matcher,
                      struct mrc_topic *topic, int rounds)
{
    static double results[MAX_ROUNDS];
    long count = 1;
    int64_t took;

    for (;;) { /* finds how many operations make a round, and warms up */
        int64_t start = now_ns();

        run(it, matcher, topic, count);
        took = now_ns() - start;
        if (took >= ROUND_NS)
            break;
        count *= 2;
    }
    for (int i = 0; i < rounds; i++) {
        int64_t start = now_ns();

        run(it, matcher, topic, count);
        results[i] = (double)(now_ns() - start) / (double)count;
    }
    qsort(results, (size_t)rounds, sizeof(results[0]), compare);
    return results[rounds / 2];
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 15;

    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "ROUNDS must be 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bench_case *it = &cases[i];
        struct mrc_matcher *matcher = NULL;
        struct mrc_error error = {""};
        struct mrc_topic topic;

        if (it->value &&
            mrc_matcher_create(it->type, mrc_bytes_of(it->value), BASE, &error, &matcher)) {
            fprintf(stderr, "%s: %s\n", it->value, error.text);
            return 1;
        }
        mrc_topic_init(&topic, mrc_bytes_of(it->topic), BASE);
        printf("%s\t%.1f\t%s\t%s\n", it->name, measure(it, matcher, &topic, rounds),
               it->value ? it->value : "", it->topic);
        mrc_topic_clear(&topic);
        mrc_matcher_free(matcher);
    }
    return 0;
}
