#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base.h"
#include "ledger.h"

#define COUNT_MAX 100000000.0

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= least && value <= most))
        base_die("--%s needs a number from %.0f to %.0f", name, least, most);
    return value;
}

static void read_target(const char *text, struct sockaddr_in *ret_target)
{
    const char *colon = strrchr(text, ':');
    char address[64];

    if (!colon || (size_t)(colon - text) >= sizeof(address))
        base_die("--target needs ADDRESS:PORT");
    memcpy(address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    ret_target->sin_family = AF_INET;
    ret_target->sin_port = htons((uint16_t)number("target", colon + 1, 1, 65535));
    if (inet_pton(AF_INET, address, &ret_target->sin_addr) != 1)
        base_die("--target needs ADDRESS:PORT");
}

/* Reads a file with a token in each line. */
static void read_tokens(const char *path, struct options *options)
{
    FILE *file = fopen(path, "r");
    size_t size = 0, room = 0;
    char *line = NULL;
    ssize_t len;

    if (!file)
        base_die("%s: %s", path, strerror(errno));
    while ((len = getline(&line, &size, file)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (options->tokens_count == room) {
            room = room ? room * 2 : 1024;
            options->tokens = base_resize(options->tokens, room * sizeof(*options->tokens));
        }
        options->tokens[options->tokens_count++] = line;
        line = NULL;
        size = 0;
    }
    free(line);
    fclose(file);
    if (options->tokens_count == 0)
        base_die("%s contains no token", path);
}

enum name {
    TARGET,
    HOST,
    SUBSCRIBE_PATH,
    MATCH,
    PUBLISH_PATH,
    TYPE,
    BODY,
    PUBLISH_TOKEN,
    SUBSCRIBE_TOKEN,
    TOKENS,
    SUBSCRIBERS,
    TOPICS,
    TOPICS_EACH,
    UPDATES,
    PUBLISHERS,
    DATA_BYTES,
    RATE,
    SOURCES,
    BURST,
    STALL,
    TLS,
    RESUME,
    PID,
};

static const struct option known[] = {
    {"target", required_argument, NULL, TARGET},
    {"host", required_argument, NULL, HOST},
    {"subscribe-path", required_argument, NULL, SUBSCRIBE_PATH},
    {"match", required_argument, NULL, MATCH},
    {"publish-path", required_argument, NULL, PUBLISH_PATH},
    {"type", required_argument, NULL, TYPE},
    {"body", required_argument, NULL, BODY},
    {"publish-token", required_argument, NULL, PUBLISH_TOKEN},
    {"subscribe-token", required_argument, NULL, SUBSCRIBE_TOKEN},
    {"tokens", required_argument, NULL, TOKENS},
    {"subscribers", required_argument, NULL, SUBSCRIBERS},
    {"topics", required_argument, NULL, TOPICS},
    {"topics-each", required_argument, NULL, TOPICS_EACH},
    {"updates", required_argument, NULL, UPDATES},
    {"publishers", required_argument, NULL, PUBLISHERS},
    {"data-bytes", required_argument, NULL, DATA_BYTES},
    {"rate", required_argument, NULL, RATE},
    {"sources", required_argument, NULL, SOURCES},
    {"burst", required_argument, NULL, BURST},
    {"stall", required_argument, NULL, STALL},
    {"tls", no_argument, NULL, TLS},
    {"resume", no_argument, NULL, RESUME},
    {"pid", required_argument, NULL, PID},
    {NULL, 0, NULL, 0},
};

static uint32_t count(enum name name, double least)
{
    return (uint32_t)number(known[name].name, optarg, least, COUNT_MAX);
}

static void read_number(enum name name, struct options *options)
{
    switch (name) {
    case SUBSCRIBERS:
        options->subscribers = count(name, 0);
        break;
    case TOPICS:
        options->topics = count(name, 1);
        break;
    case TOPICS_EACH:
        options->topics_each = count(name, 1);
        break;
    case UPDATES:
        options->updates = count(name, 0);
        break;
    case PUBLISHERS:
        options->publishers = count(name, 1);
        break;
    case DATA_BYTES:
        options->data_bytes = count(name, LEDGER_DATA_MIN);
        break;
    case RATE:
        options->rate = number("rate", optarg, 0, 1e6);
        break;
    case SOURCES:
        options->sources = (unsigned)number("sources", optarg, 1, 250);
        break;
    case BURST:
        options->burst = count(name, 1);
        break;
    case STALL:
        options->stall_s = number("stall", optarg, 1, 3600);
        break;
    default: /* PID */
        options->pid = (long)count(name, 1);
        break;
    }
}

static void read_one(enum name name, struct options *options)
{
    switch (name) {
    case TARGET:
        read_target(optarg, &options->target);
        break;
    case HOST:
        options->host = optarg;
        break;
    case SUBSCRIBE_PATH:
        options->subscribe_path = optarg;
        break;
    case MATCH:
        options->match = optarg;
        break;
    case PUBLISH_PATH:
        options->publish_path = optarg;
        break;
    case TYPE:
        options->type = optarg;
        break;
    case BODY:
        options->body = optarg;
        break;
    case PUBLISH_TOKEN:
        options->publish_token = optarg;
        break;
    case SUBSCRIBE_TOKEN:
        options->subscribe_token = optarg;
        break;
    case TOKENS:
        read_tokens(optarg, options);
        break;
    case TLS:
        options->tls = true;
        break;
    case RESUME:
        options->resumes = true;
        break;
    default:
        read_number(name, options);
        break;
    }
}

void options_read(int argc, char **argv, struct options *ret_options)
{
    struct options options = {
        .host = "localhost",
        .subscribe_path = "/.well-known/mercure",
        .publish_path = "/.well-known/mercure",
        .type = "application/x-www-form-urlencoded",
        .body = "topic={n}&data={data}",
        .topics = 1,
        .topics_each = 1,
        .publishers = 1,
        .data_bytes = 200,
        .sources = 1,
        .burst = 256,
        .stall_s = 30,
    };
    int name;

    while ((name = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        if (name == '?')
            base_die("unknown option, or a value is missing: see tests/bench/load/load.c");
        read_one((enum name)name, &options);
    }
    if (optind < argc)
        base_die("unexpected argument %s", argv[optind]);
    if (options.target.sin_family == 0)
        base_die("--target is missing");
    *ret_options = options;
}
