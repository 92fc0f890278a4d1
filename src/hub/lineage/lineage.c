#include "hub/lineage/lineage.h"

#include <stdlib.h>
#include <string.h>

bool mrc_lineage_add(struct mrc_lineage *lineage, const struct mrc_lineage_entry *entry)
{
    if (lineage->count == lineage->cap) {
        size_t cap = lineage->cap ? 2 * lineage->cap : 256;
        struct mrc_lineage_entry *grown = reallocarray(lineage->entries, cap, sizeof(*grown));

        if (!grown)
            return false;
        lineage->entries = grown;
        lineage->cap = cap;
    }
    lineage->entries[lineage->count++] = *entry;
    return true;
}

void mrc_lineage_close(struct mrc_lineage *lineage)
{
    uint64_t last = UINT64_MAX;
    size_t to = lineage->count;

    for (size_t from = lineage->count; from > 0; from--) {
        const struct mrc_lineage_entry *entry = &lineage->entries[from - 1];

        if (entry->number >= last)
            continue;
        last = entry->number;
        lineage->entries[--to] = *entry;
    }
    lineage->count -= to;
    if (lineage->count)
        memmove(lineage->entries, lineage->entries + to,
                lineage->count * sizeof(*lineage->entries));
}

void mrc_lineage_free(struct mrc_lineage *lineage)
{
    free(lineage->entries);
    *lineage = (struct mrc_lineage){.count = 0};
}

void mrc_lineage_begin(const struct mrc_lineage *lineage, uint64_t oldest, uint64_t newest,
                       struct mrc_lineage_search *ret_search)
{
    size_t trimmed = 0, gone = lineage->count;

    while (gone > 0 && lineage->entries[gone - 1].number > newest)
        gone--;
    while (trimmed < gone && lineage->entries[trimmed].number < oldest)
        trimmed++;
    *ret_search = (struct mrc_lineage_search){.trimmed = trimmed, .shared = trimmed, .gone = gone};
}

bool mrc_lineage_next(const struct mrc_lineage_search *search, size_t *ret_entry)
{
    if (search->shared >= search->gone)
        return false;
    *ret_entry = search->shared + (search->gone - search->shared) / 2;
    return true;
}

void mrc_lineage_answer(struct mrc_lineage_search *search, size_t entry, bool is_there)
{
    if (is_there)
        search->shared = entry + 1;
    else
        search->gone = entry;
}
