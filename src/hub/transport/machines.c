#include "hub/transport/machines.h"

#include <stdlib.h>
#include <string.h>

void mrc_machines_begin(struct mrc_machines *machines)
{
    machines->others = 0;
    for (size_t i = 0; i < machines->count; i++)
        machines->machines[i].is_there = false;
}

static void copy(char *to, struct mrc_bytes from)
{
    memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
}

static struct mrc_machine *find(struct mrc_machines *machines, struct mrc_bytes name)
{
    for (size_t i = 0; i < machines->count; i++) {
        if (mrc_bytes_eq_str(name, machines->machines[i].name))
            return &machines->machines[i];
    }
    return NULL;
}

/* A place for a new machine; NULL: there is none. */
static struct mrc_machine *add(struct mrc_machines *machines)
{
    if (!machines->machines)
        machines->machines = calloc(MRC_MACHINES_MAX, sizeof(*machines->machines));
    if (!machines->machines || machines->count == MRC_MACHINES_MAX)
        return NULL;
    return &machines->machines[machines->count++];
}

void mrc_machines_see(struct mrc_machines *machines, struct mrc_bytes name, struct mrc_bytes value,
                      int64_t now_us)
{
    bool fits = name.len < MRC_MACHINES_TEXT_BYTES && value.len < MRC_MACHINES_TEXT_BYTES;
    struct mrc_machine *machine = fits ? find(machines, name) : NULL;

    if (fits && !machine) {
        machine = add(machines);
        if (machine) {
            *machine = (struct mrc_machine){.since_us = now_us};
            copy(machine->name, name);
        }
    }
    if (!machine) {
        machines->others++;
        return;
    }
    if (!mrc_bytes_eq_str(value, machine->value)) {
        copy(machine->value, value);
        machine->since_us = now_us;
        machine->is_left = false;
    }
    machine->is_there = true;
}

/* The length of the name without the writer. */
static size_t name_len(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (size_t)(dot - name) : strlen(name);
}

static bool is_own(const struct mrc_machines *machines, const struct mrc_machine *machine)
{
    return machines->own && !strcmp(machine->name, machines->own);
}

static bool is_namesake(const struct mrc_machines *machines, const struct mrc_machine *machine)
{
    size_t len = machines->own ? name_len(machines->own) : 0;

    return len > 0 && !is_own(machines, machine) && name_len(machine->name) == len &&
           !memcmp(machine->name, machines->own, len);
}

static bool is_dead(const struct mrc_machines *machines, const struct mrc_machine *machine,
                    int64_t lease_us, int64_t now_us)
{
    if (is_namesake(machines, machine))
        lease_us /= 2;
    return now_us - machine->since_us > lease_us;
}

size_t mrc_machines_end(struct mrc_machines *machines, int64_t lease_us, int64_t now_us)
{
    size_t kept = 0, living = machines->others;

    for (size_t i = 0; i < machines->count; i++) {
        const struct mrc_machine *machine = &machines->machines[i];

        if (!machine->is_there)
            continue;
        living += !is_dead(machines, machine, lease_us, now_us);
        if (kept != i)
            machines->machines[kept] = *machine;
        kept++;
    }
    machines->count = kept;
    return living;
}

/* The fourth word of the value. */
static uint64_t subscribers_of(const struct mrc_machine *machine)
{
    const char *at = machine->value;

    for (int word = 0; word < 3; word++) {
        at = strchr(at, ' ');
        if (!at)
            return 0;
        at++;
    }
    return *at >= '0' && *at <= '9' ? strtoull(at, NULL, 10) : 0;
}

uint64_t mrc_machines_subscribers(const struct mrc_machines *machines, int64_t lease_us,
                                  int64_t now_us)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < machines->count; i++) {
        const struct mrc_machine *machine = &machines->machines[i];

        if (!is_own(machines, machine) && !is_dead(machines, machine, lease_us, now_us))
            sum += subscribers_of(machine);
    }
    return sum;
}

const struct mrc_machine *mrc_machines_find_dead(const struct mrc_machines *machines,
                                                 int64_t lease_us, int64_t now_us)
{
    for (size_t i = 0; i < machines->count; i++) {
        const struct mrc_machine *machine = &machines->machines[i];

        if (!machine->is_left && is_dead(machines, machine, lease_us, now_us))
            return machine;
    }
    return NULL;
}

void mrc_machines_leave(struct mrc_machines *machines, const char *name)
{
    struct mrc_machine *machine = find(machines, mrc_bytes_of(name));

    if (machine)
        machine->is_left = true;
}

void mrc_machines_forgive(struct mrc_machines *machines, int64_t now_us)
{
    for (size_t i = 0; i < machines->count; i++)
        machines->machines[i].since_us = now_us;
}

void mrc_machines_free(struct mrc_machines *machines)
{
    free(machines->machines);
    *machines = (struct mrc_machines){.own = machines->own};
}
