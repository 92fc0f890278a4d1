/* Shared by the tests in which a leader dies. */
#ifndef MRC_TESTS_DYING_H
#define MRC_TESTS_DYING_H

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/*
 * Runs WORK in a process that dies STEPS instructions after it has stopped itself, or at the first
 * one before which IS_THERE (not NULL) is true. 1: it was killed; 0: it had ended before; -1: the
 * system forbids ptrace.
 */
static inline int die_at(void (*work)(void), unsigned steps, bool (*is_there)(void))
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        work();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return -1;
    ck_assert(WIFSTOPPED(status));
    while (steps-- && !(is_there && is_there())) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

#endif
