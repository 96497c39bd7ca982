/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the domain builder asks of pv/mm_types.c, as far as a test of the builder needs it: references are
 * counted, and the tables that would be adopted are noted.
 */
#include "loader_fakes.h"

mfn_t fake_adopted_l4;

int mm_get_page(struct domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f;

    if (!machine_valid(m) || d->mm_lock.state == 0)
        return -1;
    f = machine_frame(m);
    if (f->owner != d->domid || (f->type_count > 0 && f->type != type))
        return -1;
    f->ref_count++;
    f->type_count++;
    f->type = (uint8_t)type;
    return 0;
}

/* Takes the lock itself; a base pointer that is there already would lose a reference that it never had. */
int mm_adopt_initial_tables(struct domain *d, mfn_t l4)
{
    if (d->mm_lock.state != 0 || d->vcpu[0]->pv->cr3_kernel.n != 0)
        return -1;
    d->vcpu[0]->pv->cr3_kernel = l4;
    fake_adopted_l4 = l4;
    return 0;
}
