#include "usage.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base.h"

#define PATH_BYTES 320
#define TEXT_BYTES 8192

/*
 * The CPU time of a process in microseconds. It includes all threads, even those that have ended
 * (by the CPU clock of the process), and children that have ended (fields 16 and 17 of stat, in
 * ticks).
 */
static double cpu_of(long pid)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    const char *rest;
    struct timespec spent;
    clockid_t clock;
    long user = 0, system = 0;
    double us = 0;

    if (clock_getcpuclockid((pid_t)pid, &clock) == 0 && clock_gettime(clock, &spent) == 0)
        us = (double)spent.tv_sec * 1e6 + (double)spent.tv_nsec / 1e3;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    base_read(path, text, sizeof(text));
    rest = strrchr(text, ')');
    if (rest && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld",
                       &user, &system) == 2)
        us += (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
    return us;
}

/* The value, in bytes, of the line that begins with KEY; 0 if there is no such line. */
static double kilobytes(const char *path, const char *key)
{
    char text[TEXT_BYTES];
    const char *line = text;

    base_read(path, text, sizeof(text));
    for (; line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (strncmp(line, key, strlen(key)) == 0)
            return strtod(line + strlen(key), NULL) * 1024;
    }
    return 0;
}

static long sockets_of(long pid)
{
    char path[PATH_BYTES], target[64];
    struct dirent *entry;
    long count = 0;
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        ssize_t len;

        snprintf(path, sizeof(path), "/proc/%ld/fd/%.20s", pid, entry->d_name);
        len = readlink(path, target, sizeof(target));
        count += len > 7 && memcmp(target, "socket:", 7) == 0;
    }
    if (folder)
        closedir(folder);
    return count;
}

/* Adds PID and its descendants to RET_PIDS, which has COUNT entries; returns the new count. */
static int collect(long pid, long *ret_pids, int count)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    DIR *tasks;

    if (count == USAGE_PROCESSES_MAX)
        return count;
    ret_pids[count++] = pid;
    snprintf(path, sizeof(path), "/proc/%ld/task", pid);
    tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        char text[TEXT_BYTES], *at = text;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/task/%.20s/children", pid, entry->d_name);
        base_read(path, text, sizeof(text));
        for (;;) {
            char *end;
            long child = strtol(at, &end, 10);

            if (end == at)
                break;
            count = collect(child, ret_pids, count);
            at = end;
        }
    }
    if (tasks)
        closedir(tasks);
    return count;
}

double usage_cpu_us(long root)
{
    long pids[USAGE_PROCESSES_MAX];
    int count = root > 0 ? collect(root, pids, 0) : 0;
    double us = 0;

    for (int i = 0; i < count; i++)
        us += cpu_of(pids[i]);
    return us;
}

void usage_take(long root, struct usage *ret_usage)
{
    long pids[USAGE_PROCESSES_MAX];
    char path[PATH_BYTES], text[TEXT_BYTES];
    const char *mem;

    *ret_usage = (struct usage){.count = 0};
    /* Must come first: reading the descriptors below allocates kernel objects. */
    ret_usage->slab_bytes = kilobytes("/proc/meminfo", "Slab:");
    base_read("/proc/net/sockstat", text, sizeof(text));
    mem = strstr(text, "TCP:");
    mem = mem ? strstr(mem, " mem ") : NULL;
    if (mem)
        ret_usage->tcp_bytes = strtod(mem + 5, NULL) * (double)sysconf(_SC_PAGESIZE);
    ret_usage->count = collect(root, pids, 0);
    for (int i = 0; i < ret_usage->count; i++) {
        struct usage_process *process = &ret_usage->processes[i];

        process->pid = pids[i];
        process->cpu_us = cpu_of(pids[i]);
        process->sockets = sockets_of(pids[i]);
        snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pids[i]);
        process->pss_bytes = kilobytes(path, "Pss:");
        ret_usage->cpu_us += process->cpu_us;
        ret_usage->pss_bytes += process->pss_bytes;
    }
}

void usage_print(FILE *out, const struct usage *usage)
{
    fprintf(out,
            "{\"cpu_us\": %.1f, \"pss_bytes\": %.0f, \"tcp_bytes\": %.0f, \"slab_bytes\": %.0f",
            usage->cpu_us, usage->pss_bytes, usage->tcp_bytes, usage->slab_bytes);
    fputs(", \"processes\": [", out);
    for (int i = 0; i < usage->count; i++) {
        const struct usage_process *process = &usage->processes[i];

        fprintf(out, "%s{\"pid\": %ld, \"cpu_us\": %.1f, \"pss_bytes\": %.0f, \"sockets\": %ld}",
                i ? ", " : "", process->pid, process->cpu_us, process->pss_bytes, process->sockets);
    }
    fputs("]}\n", out);
}
