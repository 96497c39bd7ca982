// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See wheel.h. What the host CPU has is read from /proc/cpuinfo: the names of gen_class.cpu_flag are the
 * kernel's.
 */
#include "wheel.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

static bool cpu_has(const char *flag)
{
    static char text[16384];
    char *p;
    FILE *f;
    size_t n = strlen(flag);

    if (!text[0]) {
        f = fopen("/proc/cpuinfo", "r");
        if (!f)
            return true;
        while (fgets(text, sizeof(text), f) && strncmp(text, "flags", 5) != 0)
            ;
        fclose(f);
    }
    for (p = text; (p = strstr(p, flag)); p += n)
        if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '\n'))
            return true;
    return false;
}

static bool name_listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, name, n) && (p[n] == ',' || !p[n]))
            return true;
    return false;
}

unsigned wheel_build(const struct gen_class *wheel[WHEEL_MAX], const char *names)
{
    unsigned len = 0, listed = 0, wanted = names ? 1 : 0, most = 0;

    for (const char *p = names; p && *p; p++)
        wanted += *p == ',';
    for (unsigned i = 0; i < gen_nr_classes; i++)
        if (gen_classes[i].weight > most)
            most = gen_classes[i].weight;
    for (unsigned i = 0; i < gen_nr_classes; i++)
        listed += names && name_listed(names, gen_classes[i].name);
    if (listed != wanted)
        errx(2, "--class %s: no such class; --list shows them", names);
    /* Round after round, so that neighbours on the wheel are of different classes. */
    for (unsigned round = 0; round < most; round++)
        for (unsigned i = 0; i < gen_nr_classes; i++) {
            const struct gen_class *c = &gen_classes[i];

            if (round >= c->weight || (names && !name_listed(names, c->name)))
                continue;
            if (c->cpu_flag && !cpu_has(c->cpu_flag)) {
                if (!round)
                    printf("cputest: class %s left out: the host CPU has no %s\n", c->name, c->cpu_flag);
                continue;
            }
            if (len == WHEEL_MAX)
                errx(1, "cputest: WHEEL_MAX is too small");
            wheel[len++] = c;
        }
    if (!len)
        errx(2, "nothing left to run");
    return len;
}
