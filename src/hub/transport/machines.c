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

/* A place for a machine that is new; NULL: there is none. */
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
            copy(machine->name, name);
            machine->value[0] = '\0';
        }
    }
    if (!machine) {
        machines->others++;
        return;
    }
    if (!mrc_bytes_eq_str(value, machine->value)) {
        copy(machine->value, value);
        machine->since_us = now_us;
    }
    machine->is_there = true;
}

static bool is_dead(const struct mrc_machine *machine, int64_t lease_us, int64_t now_us)
{
    return now_us - machine->since_us > lease_us;
}

size_t mrc_machines_end(struct mrc_machines *machines, int64_t lease_us, int64_t now_us)
{
    size_t kept = 0, living = machines->others;

    for (size_t i = 0; i < machines->count; i++) {
        const struct mrc_machine *machine = &machines->machines[i];

        if (!machine->is_there)
            continue;
        living += !is_dead(machine, lease_us, now_us);
        if (kept != i)
            machines->machines[kept] = *machine;
        kept++;
    }
    machines->count = kept;
    return living;
}

const struct mrc_machine *mrc_machines_find_dead(const struct mrc_machines *machines,
                                                 int64_t lease_us, int64_t now_us)
{
    for (size_t i = 0; i < machines->count; i++) {
        if (is_dead(&machines->machines[i], lease_us, now_us))
            return &machines->machines[i];
    }
    return NULL;
}

void mrc_machines_forgive(struct mrc_machines *machines, int64_t now_us)
{
    for (size_t i = 0; i < machines->count; i++)
        machines->machines[i].since_us = now_us;
}

void mrc_machines_free(struct mrc_machines *machines)
{
    free(machines->machines);
    *machines = (struct mrc_machines){.count = 0};
}
