/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen 4.17's public headers, at the newest interface version that they know: the one way to include them, so
 * that every file sees the same layouts.  Structures not needed everywhere (xen/grant_table.h, xen/version.h
 * ...) are included behind this file by those who need them.
 */
#ifndef DIPTYCH_PV_XEN_ABI_H
#define DIPTYCH_PV_XEN_ABI_H

#include <stdint.h>

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/vcpu.h>

#endif
