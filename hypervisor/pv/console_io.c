/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console_io hypercall: Xen's emergency console.  A release build of Xen refuses it to guests, a debug
 * build lets them write; here `--debug console_io` decides, for kernels that die before they find their own
 * console (earlyprintk=xen).
 */
#include "pv/hypercall.h"

/* Of one call; more would keep this vCPU from answering others' requests for long. */
#define WRITE_MAX 65536u

static int64_t console_write(struct vcpu *v, gva_t from, uint32_t count)
{
    char text[128];

    if (count > WRITE_MAX)
        return -XEN_E2BIG;
    while (count) {
        uint32_t n = count < sizeof(text) ? count : (uint32_t)sizeof(text);

        if (!guest_read(v, from, text, n))
            return -XEN_EFAULT;
        /* A guest has no business with the terminal's state. */
        for (uint32_t i = 0; i < n; i++) {
            if ((text[i] < ' ' && text[i] != '\n' && text[i] != '\t' && text[i] != '\r') || text[i] == 0x7f)
                text[i] = '?';
        }
        rawsys_write(2, text, n);
        from = gva_add(from, n);
        count -= n;
    }
    return 0;
}

int64_t hc_console_io(struct vcpu *v, const uint64_t arg[6])
{
    if (!v->domain->console_io)
        return -XEN_EPERM;
    switch ((uint32_t)arg[0]) {
    case CONSOLEIO_write:
        return console_write(v, GVA(arg[2]), (uint32_t)arg[1]);
    case CONSOLEIO_read:
        return 0; /* nobody types there */
    default:
        return -XEN_ENOSYS;
    }
}
