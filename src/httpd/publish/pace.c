#include "httpd/publish/pace.h"

#include <poll.h>
#include <stddef.h>
#include <time.h>

bool mrc_pace_is_quick(const struct mrc_pace *pace, int64_t arrived_us)
{
    return pace->answered_us && arrived_us - pace->answered_us <= MRC_PACE_WAIT_MAX_US;
}

void mrc_pace_note_answer(struct mrc_pace *pace, int64_t now_us)
{
    pace->answered_us = now_us;
}

bool mrc_pace_wait(int fd)
{
    const struct timespec limit = {.tv_nsec = MRC_PACE_WAIT_MAX_US * 1000L};
    struct pollfd socket = {.fd = fd, .events = POLLIN};

    return ppoll(&socket, 1, &limit, NULL) > 0;
}

bool mrc_pace_may_wait(int idle, int threads)
{
    return idle > 0 && idle >= threads - threads / 2;
}
