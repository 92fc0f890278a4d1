#include "hub/index/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "core/topic/anchor.h"
#include "core/topic/matcher.h"
#include "hub/index/prefix_tree.h"

/* A spot: a literal text at one anchor, and the patterns that are found by it. */
struct mrc_candidates_spot {
    struct mrc_candidates_family *family;
    enum mrc_anchor anchor;
    struct mrc_prefix_node *at;
    struct mrc_candidate *first;
    size_t count;
};

/* A family: the patterns with the same base. */
struct mrc_candidates_family {
    struct mrc_candidates_family *next;
    struct mrc_prefix_tree trees[MRC_ANCHORS]; /* the values are spots */
    size_t count;                              /* of patterns */
    bool has_base;
    char base[]; /* terminated */
};

/* ---- families ---------------------------------------------------------------------------------*/

static struct mrc_candidates_family *find_family(const struct mrc_candidates *candidates,
                                                 const char *base)
{
    struct mrc_candidates_family *family = candidates->families;

    while (family && (family->has_base != (base != NULL) || strcmp(family->base, base ? base : "")))
        family = family->next;
    return family;
}

static struct mrc_candidates_family *add_family(struct mrc_candidates *candidates, const char *base)
{
    size_t base_len = base ? strlen(base) : 0;
    struct mrc_candidates_family *family = calloc(1, sizeof(*family) + base_len + 1);

    if (!family)
        return NULL;
    family->has_base = base != NULL;
    if (base)
        memcpy(family->base, base, base_len);
    family->next = candidates->families;
    candidates->families = family;
    return family;
}

static void drop_family_if_empty(struct mrc_candidates *candidates,
                                 struct mrc_candidates_family *family)
{
    struct mrc_candidates_family **link = &candidates->families;

    if (family->count > 0)
        return;
    while (*link != family)
        link = &(*link)->next;
    *link = family->next;
    free(family);
}

/* ---- spots ------------------------------------------------------------------------------------*/

/* The spot that is chosen for a pattern. */
struct choice {
    enum mrc_anchor anchor;
    struct mrc_anchor_text text;
    struct mrc_candidates_spot *spot; /* NULL: there is none yet */
    size_t load;                      /* the number of patterns there, including the new one */
};

/* Chooses the anchor with the longest literal text, divided by the load of its spot. */
static void choose(const struct mrc_candidates_family *family, const struct mrc_matcher *matcher,
                   struct choice *ret_choice)
{
    struct choice other;

    ret_choice->anchor = MRC_ANCHORS;
    ret_choice->text.len = 0;
    ret_choice->spot = NULL;
    ret_choice->load = 1;
    for (int i = MRC_ANCHORS - 1; i >= 0; i--) {
        const struct mrc_prefix_node *at;

        other.anchor = (enum mrc_anchor)i;
        if (!mrc_matcher_get_anchor(matcher, other.anchor, &other.text))
            continue;
        at = mrc_prefix_tree_find(&family->trees[i], mrc_anchor_text_bytes(&other.text));
        other.spot = at ? mrc_prefix_tree_get(at) : NULL;
        other.load = other.spot ? other.spot->count + 1 : 1;
        if (other.load * ret_choice->text.len <= ret_choice->load * other.text.len)
            *ret_choice = other;
    }
}

static struct mrc_candidates_spot *add_spot(struct mrc_candidates_family *family,
                                            const struct choice *choice)
{
    struct mrc_candidates_spot *spot = calloc(1, sizeof(*spot));

    if (!spot)
        return NULL;
    *spot = (struct mrc_candidates_spot){.family = family, .anchor = choice->anchor};
    spot->at = mrc_prefix_tree_add(&family->trees[choice->anchor],
                                   mrc_anchor_text_bytes(&choice->text), spot);
    if (spot->at)
        return spot;
    free(spot);
    return NULL;
}

apr_status_t mrc_candidates_add(struct mrc_candidates *candidates, struct mrc_candidate *candidate,
                                const struct mrc_matcher *matcher)
{
    const char *base = mrc_matcher_get_base(matcher);
    struct mrc_candidates_family *family = find_family(candidates, base);
    struct mrc_candidates_spot *spot;
    struct choice choice;

    if (!family)
        family = add_family(candidates, base);
    if (!family)
        return APR_ENOMEM;
    choose(family, matcher, &choice);
    spot = choice.spot ? choice.spot : add_spot(family, &choice);
    if (!spot) {
        drop_family_if_empty(candidates, family);
        return APR_ENOMEM;
    }
    *candidate = (struct mrc_candidate){.spot = spot, .next = spot->first};
    if (spot->first)
        spot->first->previous = candidate;
    spot->first = candidate;
    spot->count++;
    family->count++;
    return APR_SUCCESS;
}

void mrc_candidates_remove(struct mrc_candidates *candidates, struct mrc_candidate *candidate)
{
    struct mrc_candidates_spot *spot = candidate->spot;
    struct mrc_candidates_family *family = spot->family;

    if (candidate->previous)
        candidate->previous->next = candidate->next;
    else
        spot->first = candidate->next;
    if (candidate->next)
        candidate->next->previous = candidate->previous;
    if (--spot->count == 0) {
        mrc_prefix_tree_remove(&family->trees[spot->anchor], spot->at);
        free(spot);
    }
    family->count--;
    drop_family_if_empty(candidates, family);
}

size_t mrc_candidates_count_like(const struct mrc_candidates *candidates,
                                 const struct mrc_matcher *matcher)
{
    const struct mrc_candidates_family *family =
        find_family(candidates, mrc_matcher_get_base(matcher));
    struct choice choice;

    if (!family)
        return 0;
    choose(family, matcher, &choice);
    return choice.load - 1;
}

/* ---- topics -----------------------------------------------------------------------------------*/

void mrc_candidates_reading_init(struct mrc_candidates_reading *reading, struct mrc_bytes text)
{
    reading->text = text;
    reading->family = NULL;
}

void mrc_candidates_reading_clear(struct mrc_candidates_reading *reading)
{
    if (reading->family)
        mrc_topic_clear(&reading->topic);
    reading->family = NULL;
}

static struct mrc_topic *read_for(struct mrc_candidates_reading *reading,
                                  const struct mrc_candidates_family *family)
{
    if (reading->family == family)
        return &reading->topic;
    mrc_candidates_reading_clear(reading);
    mrc_topic_init(&reading->topic, reading->text, family->has_base ? family->base : NULL);
    reading->family = family;
    return &reading->topic;
}

struct mrc_topic *mrc_candidates_read(struct mrc_candidates_reading *reading,
                                      const struct mrc_candidate *candidate)
{
    return read_for(reading, candidate->spot->family);
}

/* Adds the candidates at the spots of TREE whose literal text is a prefix of TEXT. */
static void find_in(const struct mrc_prefix_tree *tree, struct mrc_bytes text,
                    struct mrc_candidate **found, size_t *count)
{
    const struct mrc_candidates_spot *spot;
    struct mrc_prefix_walk walk;

    mrc_prefix_walk_start(&walk, tree, text);
    while ((spot = mrc_prefix_walk_next(&walk)))
        for (struct mrc_candidate *one = spot->first; one; one = one->next)
            found[(*count)++] = one;
}

apr_status_t mrc_candidates_find(const struct mrc_candidates *candidates,
                                 struct mrc_candidates_reading *reading,
                                 struct mrc_candidate **ret_found, size_t *ret_count)
{
    size_t count = 0;

    for (const struct mrc_candidates_family *family = candidates->families; family;
         family = family->next) {
        for (int i = 0; i < MRC_ANCHORS; i++) {
            struct mrc_anchor_text shown;
            enum mrc_err err;

            if (!family->trees[i].root)
                continue;
            err = mrc_topic_get_anchor(read_for(reading, family), (enum mrc_anchor)i, &shown);
            if (err == MRC_ENOMEM)
                return APR_ENOMEM;
            if (!err) /* otherwise the topic is not a URL */
                find_in(&family->trees[i], mrc_anchor_text_bytes(&shown), ret_found, &count);
        }
    }
    *ret_count = count;
    return APR_SUCCESS;
}
