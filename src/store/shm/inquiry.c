#include "store/shm/inquiry.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "store/base/clock.h"
#include "store/base/futex.h"
#include "store/base/status.h"
#include "store/shm/inquiry_layout.h"

#define SIZE                                                                                       \
    (sizeof(struct mrc_inquiry_header) + MRC_INQUIRY_ASK_BYTES + (size_t)MRC_INQUIRY_ANSWER_BYTES)

struct mrc_inquiry {
    struct mrc_inquiry_header *header;
    char *question, *answer;
};

apr_status_t mrc_inquiry_create(apr_pool_t *pool, struct mrc_error *error,
                                struct mrc_inquiry **ret_inquiry)
{
    struct mrc_inquiry *inquiry = apr_pcalloc(pool, sizeof(*inquiry));
    void *base =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    apr_status_t status;

    if (base == MAP_FAILED)
        return mrc_status_set(error, errno, "no memory for the inquiries of operators");
    inquiry->header = base;
    inquiry->question = (char *)base + sizeof(*inquiry->header);
    inquiry->answer = inquiry->question + MRC_INQUIRY_ASK_BYTES;
    status = mrc_lock_init(&inquiry->header->lock);
    if (status != APR_SUCCESS) {
        mrc_inquiry_close(inquiry);
        return mrc_status_set(error, status,
                              "the inquiries of operators cannot be shared by the processes");
    }
    *ret_inquiry = inquiry;
    return APR_SUCCESS;
}

void mrc_inquiry_close(struct mrc_inquiry *inquiry)
{
    if (!inquiry || !inquiry->header)
        return;
    munmap(inquiry->header, SIZE);
    inquiry->header = NULL;
}

/* ---- the state --------------------------------------------------------------------------------*/

static uint32_t load(const struct mrc_inquiry *inquiry)
{
    return atomic_load_explicit(&inquiry->header->state, memory_order_acquire);
}

static enum mrc_inquiry_state state_of(uint32_t word)
{
    return (enum mrc_inquiry_state)(word & 3);
}

static uint32_t with_state(uint32_t word, enum mrc_inquiry_state state)
{
    return (word & ~UINT32_C(3)) | (uint32_t)state;
}

/* Only the owner of the mailbox. */
static void set(struct mrc_inquiry *inquiry, enum mrc_inquiry_state state)
{
    atomic_store_explicit(&inquiry->header->state, with_state(load(inquiry), state),
                          memory_order_release);
}

/* Changes the state if the word is still WORD. */
static bool change(struct mrc_inquiry *inquiry, uint32_t word, enum mrc_inquiry_state state)
{
    return atomic_compare_exchange_strong(&inquiry->header->state, &word, with_state(word, state));
}

/* Waits at most WAIT_US while a child has the question. Returns the word of the state then. */
static uint32_t wait_for_child(const struct mrc_inquiry *inquiry, int64_t wait_us)
{
    int64_t until_us = mrc_clock_us() + wait_us;
    uint32_t word;

    while (state_of(word = load(inquiry)) == MRC_INQUIRY_ASKED ||
           state_of(word) == MRC_INQUIRY_TAKEN) {
        int64_t left_us = until_us - mrc_clock_us();

        if (left_us <= 0)
            break;
        mrc_futex_wait(&inquiry->header->state, word, left_us);
    }
    return word;
}

/* Takes back a question that no child has taken. */
static bool withdraw(struct mrc_inquiry *inquiry)
{
    uint32_t word = load(inquiry);

    return state_of(word) == MRC_INQUIRY_ASKED && change(inquiry, word, MRC_INQUIRY_IDLE);
}

/* ---- the asker --------------------------------------------------------------------------------*/

/*
 * Makes the mailbox IDLE, because an asker may have left it in another state. False: the child that
 * was asked still has the question.
 */
static bool become_idle(struct mrc_inquiry *inquiry, int64_t wait_us, mrc_inquiry_lives_fn *lives,
                        void *ctx)
{
    const struct mrc_inquiry_header *header = inquiry->header;

    if (withdraw(inquiry))
        return true;
    /* The pid and the slot do not change while the state is TAKEN. */
    if (state_of(load(inquiry)) == MRC_INQUIRY_TAKEN &&
        lives(ctx, atomic_load(&header->slot), header->pid) &&
        state_of(wait_for_child(inquiry, wait_us)) == MRC_INQUIRY_TAKEN &&
        lives(ctx, atomic_load(&header->slot), header->pid))
        return false;
    set(inquiry, MRC_INQUIRY_IDLE);
    return true;
}

apr_status_t mrc_inquiry_begin(struct mrc_inquiry *inquiry, int64_t wait_us,
                               mrc_inquiry_lives_fn *lives, void *ctx)
{
    bool unused;
    apr_status_t status = mrc_lock_acquire(&inquiry->header->lock, wait_us, &unused);

    if (status != APR_SUCCESS)
        return status;
    if (become_idle(inquiry, wait_us, lives, ctx))
        return APR_SUCCESS;
    mrc_inquiry_end(inquiry);
    return APR_TIMEUP;
}

void mrc_inquiry_end(struct mrc_inquiry *inquiry)
{
    mrc_lock_release(&inquiry->header->lock);
}

bool mrc_inquiry_ask(struct mrc_inquiry *inquiry, unsigned slot, pid_t pid, unsigned part,
                     struct mrc_bytes question)
{
    struct mrc_inquiry_header *header = inquiry->header;
    uint32_t word = load(inquiry);

    if (question.len > MRC_INQUIRY_ASK_BYTES ||
        (state_of(word) != MRC_INQUIRY_IDLE && state_of(word) != MRC_INQUIRY_ANSWERED))
        return false;
    memcpy(inquiry->question, question.ptr, question.len);
    header->ask_bytes = (uint32_t)question.len;
    header->pid = (int32_t)pid;
    atomic_store(&header->slot, slot);
    atomic_store(&header->part, part);
    atomic_store_explicit(&header->state, with_state(word + 4, MRC_INQUIRY_ASKED),
                          memory_order_release);
    return true;
}

bool mrc_inquiry_wait(struct mrc_inquiry *inquiry, int64_t wait_us, struct mrc_buf *ret_answer)
{
    const struct mrc_inquiry_header *header = inquiry->header;

    if (state_of(wait_for_child(inquiry, wait_us)) == MRC_INQUIRY_ASKED && withdraw(inquiry))
        return false;
    if (state_of(load(inquiry)) != MRC_INQUIRY_ANSWERED ||
        header->answer_bytes > MRC_INQUIRY_ANSWER_BYTES)
        return false;
    mrc_buf_add(ret_answer, inquiry->answer, header->answer_bytes);
    set(inquiry, MRC_INQUIRY_IDLE);
    return true;
}

/* ---- the child --------------------------------------------------------------------------------*/

bool mrc_inquiry_take(struct mrc_inquiry *inquiry, unsigned slot, unsigned part,
                      struct mrc_buf *ret_question)
{
    const struct mrc_inquiry_header *header = inquiry->header;
    uint32_t word = load(inquiry);

    if (state_of(word) != MRC_INQUIRY_ASKED || atomic_load(&header->slot) != slot ||
        atomic_load(&header->part) != part || !change(inquiry, word, MRC_INQUIRY_TAKEN))
        return false;
    if (header->ask_bytes <= MRC_INQUIRY_ASK_BYTES)
        mrc_buf_add(ret_question, inquiry->question, header->ask_bytes);
    return true;
}

void mrc_inquiry_answer(struct mrc_inquiry *inquiry, struct mrc_bytes answer)
{
    assert(answer.len <= MRC_INQUIRY_ANSWER_BYTES);
    memcpy(inquiry->answer, answer.ptr, answer.len);
    inquiry->header->answer_bytes = (uint32_t)answer.len;
    set(inquiry, MRC_INQUIRY_ANSWERED);
    mrc_futex_wake_all(&inquiry->header->state);
}
