/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIPTYCH_BASE_VERSION_H
#define DIPTYCH_BASE_VERSION_H

#define DIPTYCH_VERSION "0.1.0"

#endif
