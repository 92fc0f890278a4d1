#include "store/documents/documents.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "apr_strings.h"
#include "core/base/siphash.h"
#include "store/base/futex.h"
#include "store/base/status.h"
#include "store/documents/layout.h"

#define WORDS_PER_COPY (MRC_DOCUMENT_MAX_BYTES / sizeof(uint64_t))

/* A reader that the writer overtakes this often gives up until the next call. */
#define READ_TRIES 8

struct mrc_documents {
    void *base;
    size_t size;
    size_t count;
    const char **names;
    struct mrc_documents_header *header;
    struct mrc_document *documents;
    _Atomic uint64_t *copies;
};

static _Atomic uint64_t *copy_of(const struct mrc_documents *documents, size_t i,
                                 uint64_t generation)
{
    return documents->copies + (2 * i + generation % 2) * WORDS_PER_COPY;
}

apr_status_t mrc_documents_create(apr_pool_t *pool, const struct mrc_document_spec *specs, size_t n,
                                  struct mrc_error *error, struct mrc_documents **ret_documents)
{
    struct mrc_documents *documents = apr_pcalloc(pool, sizeof(*documents));
    size_t head = sizeof(struct mrc_documents_header) + n * sizeof(struct mrc_document);
    char *base;
    int err;

    if (n > (SIZE_MAX - head) / (2 * MRC_DOCUMENT_MAX_BYTES))
        return mrc_status_set(error, APR_EINVAL, "%zu key files and JWK Sets are too many", n);
    documents->count = n;
    documents->names = apr_pcalloc(pool, (n + 1) * sizeof(*documents->names));
    documents->size = head + n * 2 * MRC_DOCUMENT_MAX_BYTES;
    base = mmap(NULL, documents->size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return mrc_status_set(error, errno, "no memory for %zu key files and JWK Sets", n);
    documents->base = base;
    documents->header = (struct mrc_documents_header *)(void *)base;
    documents->documents =
        (struct mrc_document *)(void *)(base + sizeof(struct mrc_documents_header));
    documents->copies = (_Atomic uint64_t *)(void *)(base + head);
    madvise(base, documents->size, MADV_DONTDUMP); /* secrets; a failure does no other harm */
    err = mrc_lock_init(&documents->header->leader);
    for (size_t i = 0; i < n && !err; i++) {
        documents->names[i] = apr_pstrdup(pool, specs[i].name);
        if (specs[i].content.ptr && !mrc_documents_write(documents, i, specs[i].content))
            err = APR_EINVAL;
    }
    if (err) {
        mrc_documents_close(documents);
        return mrc_status_set(error, err,
                              "the key files and JWK Sets cannot be shared by the processes");
    }
    *ret_documents = documents;
    return APR_SUCCESS;
}

void mrc_documents_close(struct mrc_documents *documents)
{
    if (!documents || !documents->base)
        return;
    munmap(documents->base, documents->size);
    documents->base = NULL;
    documents->count = 0;
}

size_t mrc_documents_count(const struct mrc_documents *documents)
{
    return documents->count;
}

uint64_t mrc_documents_generation(const struct mrc_documents *documents, size_t i)
{
    return atomic_load_explicit(&documents->documents[i].generation, memory_order_acquire);
}

/* Copies LEN bytes out of shared words, which may change meanwhile. */
static void copy_out(char *to, const _Atomic uint64_t *from, size_t len)
{
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = atomic_load_explicit(&from[at / sizeof(uint64_t)], memory_order_acquire);

        memcpy(to + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
    }
}

bool mrc_documents_read(const struct mrc_documents *documents, size_t i, struct mrc_buf *buf,
                        uint64_t *ret_generation)
{
    const struct mrc_document *document = &documents->documents[i];
    size_t start = buf->len;

    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint64_t generation = mrc_documents_generation(documents, i), len;
        char *to;

        if (generation == 0)
            return false;
        len = atomic_load_explicit(&document->bytes[generation % 2], memory_order_acquire);
        if (len > MRC_DOCUMENT_MAX_BYTES) /* only while it is being overwritten */
            continue;
        to = mrc_buf_extend(buf, (size_t)len);
        if (mrc_buf_error(buf))
            return false;
        copy_out(to, copy_of(documents, i, generation), (size_t)len);
        if (mrc_documents_generation(documents, i) == generation) {
            *ret_generation = generation;
            return true;
        }
        buf->len = start;
    }
    return false;
}

void mrc_documents_ask(const struct mrc_documents *documents, size_t i)
{
    if (atomic_exchange(&documents->documents[i].asked, 1) == 0)
        mrc_documents_wake(documents);
}

uint32_t mrc_documents_news(const struct mrc_documents *documents)
{
    return atomic_load(&documents->header->news);
}

void mrc_documents_wait(const struct mrc_documents *documents, uint32_t news, int timeout_ms)
{
    mrc_futex_wait(&documents->header->news, news, timeout_ms * INT64_C(1000));
}

void mrc_documents_wake(const struct mrc_documents *documents)
{
    atomic_fetch_add(&documents->header->news, 1);
    mrc_futex_wake_all(&documents->header->news);
}

bool mrc_documents_say_once(const struct mrc_documents *documents, size_t i, const char *text)
{
    static const uint64_t key[2] = {0, 0};
    uint64_t hash = *text ? mrc_siphash(key, mrc_bytes_of(text)) | 1 : 0;

    return atomic_exchange(&documents->documents[i].said, hash) != hash && hash;
}

bool mrc_documents_lead(const struct mrc_documents *documents)
{
    bool owner_died; /* ignored: a dead leader was writing to the copy that is not current */

    return mrc_lock_acquire(&documents->header->leader, 0, &owner_died) == APR_SUCCESS;
}

void mrc_documents_resign(const struct mrc_documents *documents)
{
    mrc_lock_release(&documents->header->leader);
}

/* Makes the other copy of document I, which has LEN bytes, its current version. */
static void publish(const struct mrc_documents *documents, size_t i, uint64_t len)
{
    struct mrc_document *document = &documents->documents[i];
    uint64_t next = mrc_documents_generation(documents, i) + 1;

    atomic_store_explicit(&document->bytes[next % 2], len, memory_order_release);
    atomic_store_explicit(&document->generation, next, memory_order_release);
    mrc_documents_wake(documents);
}

bool mrc_documents_write(const struct mrc_documents *documents, size_t i, struct mrc_bytes content)
{
    _Atomic uint64_t *copy = copy_of(documents, i, mrc_documents_generation(documents, i) + 1);

    if (content.len > MRC_DOCUMENT_MAX_BYTES)
        return false;
    /*
     * All stores have release order: a reader that is still copying the version before the last and
     * sees a word of this one must find that the generation has changed.
     */
    for (size_t at = 0; at < content.len; at += sizeof(uint64_t)) {
        size_t rest = content.len - at;
        uint64_t word = 0;

        memcpy(&word, content.ptr + at, rest < sizeof(word) ? rest : sizeof(word));
        atomic_store_explicit(&copy[at / sizeof(uint64_t)], word, memory_order_release);
    }
    publish(documents, i, content.len);
    return true;
}

/* ---- the parent -------------------------------------------------------------------------------*/

/* Copies document K of FROM, whose leader may be writing, to document I of TO, which has no version
 * and no other user. */
static void carry(const struct mrc_documents *from, size_t k, const struct mrc_documents *to,
                  size_t i)
{
    _Atomic uint64_t *copy = copy_of(to, i, 1);

    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint64_t generation = mrc_documents_generation(from, k);
        const _Atomic uint64_t *words = copy_of(from, k, generation);
        uint64_t len =
            atomic_load_explicit(&from->documents[k].bytes[generation % 2], memory_order_acquire);

        if (generation == 0)
            return;
        if (len > MRC_DOCUMENT_MAX_BYTES) /* only while it is being overwritten */
            continue;
        for (size_t at = 0; at < len; at += sizeof(uint64_t))
            atomic_store_explicit(
                &copy[at / sizeof(uint64_t)],
                atomic_load_explicit(&words[at / sizeof(uint64_t)], memory_order_acquire),
                memory_order_relaxed);
        if (mrc_documents_generation(from, k) != generation)
            continue;
        publish(to, i, len);
        return;
    }
}

void mrc_documents_carry(const struct mrc_documents *from, struct mrc_documents *to)
{
    for (size_t i = 0; i < to->count; i++) {
        for (size_t k = 0; mrc_documents_generation(to, i) == 0 && k < from->count; k++) {
            if (strcmp(to->names[i], from->names[k]) == 0)
                carry(from, k, to, i);
        }
    }
}

struct mrc_document_state mrc_documents_state(const struct mrc_documents *documents, size_t i)
{
    const struct mrc_document *document = &documents->documents[i];

    return (struct mrc_document_state){
        .tried_us = atomic_load(&document->tried_us),
        .answered_us = atomic_load(&document->answered_us),
        .failures = atomic_load(&document->failures),
        .asked = atomic_load(&document->asked) != 0,
    };
}

void mrc_documents_begin(const struct mrc_documents *documents, size_t i, int64_t now_us,
                         bool asked)
{
    struct mrc_document *document = &documents->documents[i];

    atomic_store(&document->asked, 0);
    atomic_store(&document->tried_us, now_us);
    if (asked)
        atomic_store(&document->answered_us, now_us);
}

void mrc_documents_end(const struct mrc_documents *documents, size_t i, bool good)
{
    if (good)
        atomic_store(&documents->documents[i].failures, 0);
    else
        atomic_fetch_add(&documents->documents[i].failures, 1);
}
