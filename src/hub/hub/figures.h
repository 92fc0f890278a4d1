/*
 * The figures of a hub that an operator looks at, and that can be added up over machines. Machines
 * exchange them as JSON, because their versions may differ.
 */
#ifndef MRC_HUB_HUB_FIGURES_H
#define MRC_HUB_HUB_FIGURES_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "hub/hub/activity.h"
#include "store/regions/busiest.h"

struct mrc_hub;

#define MRC_FIGURES_KINDS  2  /* of enum mrc_busiest_kind */
#define MRC_FIGURES_TOPICS 20 /* of each kind */

struct mrc_figures_topics {
    size_t count;
    struct mrc_busiest_topic topics[MRC_FIGURES_TOPICS]; /* the busiest first */
};

struct mrc_figures {
    uint64_t subscribers, memory_bytes, children;
    struct mrc_activity_rates rates;
    struct mrc_figures_topics topics[MRC_FIGURES_KINDS]; /* by enum mrc_busiest_kind */
};

/*
 * The figures of HUB on this machine. RATES are those of its activity, CHILDREN is the number of
 * children.
 */
void mrc_figures_take(const struct mrc_hub *hub, const struct mrc_activity_rates *rates,
                      uint64_t children, struct mrc_figures *ret_figures);

/* Adds OTHER to FIGURES: latencies bucket by bucket, and topics by name, of which the busiest are
 * kept. */
void mrc_figures_add(struct mrc_figures *figures, const struct mrc_figures *other);

/* Appends FIGURES to OUT as JSON. */
void mrc_figures_encode(const struct mrc_figures *figures, struct mrc_buf *out);

/*
 * Reads TEXT, which anybody may have written. MRC_EINVAL: it does not hold figures of this version.
 */
enum mrc_err mrc_figures_decode(struct mrc_bytes text, struct mrc_figures *ret_figures);

/* Appends TOPICS to OUT as a JSON array of objects with topic and count. */
void mrc_figures_add_topics(struct mrc_buf *out, const struct mrc_figures_topics *topics);

#endif
