/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of the debug registers (SDM vol. 3, 17.2).
 *
 * While DR7 enables any, engine_run() runs every instruction in its careful form, so that each data access
 * comes by here; that is slow, and only debuggers pay for it.  An instruction breakpoint is a fault before
 * the instruction, unless RF is set; a data breakpoint is a trap behind it.
 */
#include "engine/internal.h"

#define DR7_ENABLED(dr7, i) ((dr7) >> 2 * (i)&3)
#define DR7_TYPE(dr7, i)    ((dr7) >> (16 + 4 * (i)) & 3)
#define DR7_LENGTH(dr7, i)  ((dr7) >> (18 + 4 * (i)) & 3)

enum { TYPE_EXECUTE, TYPE_WRITE, TYPE_IO, TYPE_READ_WRITE };

static const uint8_t lengths[] = {1, 2, 8, 4};

uint32_t watch_code(const struct vcpu *v)
{
    uint32_t hits = 0;

    for (unsigned i = 0; i < 4; i++)
        if (DR7_ENABLED(v->dr[7], i) && DR7_TYPE(v->dr[7], i) == TYPE_EXECUTE && v->dr[i] == v->rip)
            hits |= 1u << i;
    return hits;
}

void watch_data(struct engine_vcpu *e, uint64_t va, uint64_t size, bool write)
{
    const struct vcpu *v = &e->v;

    if (likely(!watch_enabled(v)))
        return;
    for (unsigned i = 0; i < 4; i++) {
        unsigned type = DR7_TYPE(v->dr[7], i);
        uint64_t length = lengths[DR7_LENGTH(v->dr[7], i)];
        uint64_t first = v->dr[i] & ~(length - 1);

        if (!DR7_ENABLED(v->dr[7], i) || (type != TYPE_READ_WRITE && (type != TYPE_WRITE || !write)))
            continue;
        if (va < first + length && first < va + size)
            e->watch_hits |= 1u << i;
    }
}
