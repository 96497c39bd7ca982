/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIPTYCH_TESTS_LOADER_FAKES_H
#define DIPTYCH_TESTS_LOADER_FAKES_H

#include "pv/panel.h"

extern mfn_t fake_adopted_l4; /* what mm_adopt_initial_tables() was called with last */

#endif
