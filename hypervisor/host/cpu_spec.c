/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Models of --cpu, as features taken away from the host's: psABI's levels (System V ABI for AMD64,
 * "micro-architecture levels"), without the optional extensions that the host happens to have.
 */
#include "host/cpu_spec.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/types.h"

/* In the order of the levels: a model lacks what the rows behind its own name. */
static const struct model {
    const char *name;
    const char *adds[24]; /* features, named as in /proc/cpuinfo, that the model before it lacks */
} models[] = {
    {"x86-64", {NULL}},
    {"x86-64-v2", {"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"}},
    {"x86-64-v3",
     {"movbe", "abm", "bmi1", "bmi2", "xsave", "xsaveopt", "xsavec", "xgetbv1", "avx", "f16c", "fma",
      "avx2"}},
    {"x86-64-v4", {"avx512f", "avx512vl", "avx512dq", "avx512cd", "avx512bw"}},
    {"host",
     {"avx512ifma", "avx512vbmi", "avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq",
      "avx512_vp2intersect", "avx512_bf16", "aes", "pclmulqdq", "vaes", "vpclmulqdq", "gfni", "sha_ni",
      "rdrand", "rdseed", "adx", "clflushopt", "clwb"}},
};

#define MASK_WORDS 96u

struct mask {
    struct {
        const char *name;
        size_t n;
    } word[MASK_WORDS];
    unsigned nr;
};

static bool mask_add(struct mask *m, const char *name, size_t n)
{
    if (m->nr == MASK_WORDS)
        return false;
    m->word[m->nr].name = name;
    m->word[m->nr++].n = n;
    return true;
}

static void mask_remove(struct mask *m, const char *name, size_t n)
{
    for (unsigned i = 0; i < m->nr;) {
        if (m->word[i].n == n && !memcmp(m->word[i].name, name, n))
            m->word[i] = m->word[--m->nr];
        else
            i++;
    }
}

static const struct model *model_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        if (strlen(models[i].name) == n && !memcmp(models[i].name, name, n))
            return &models[i];
    return NULL;
}

static void model_apply(struct mask *m, const struct model *model)
{
    for (model++; model < models + ARRAY_SIZE(models); model++)
        for (unsigned i = 0; i < ARRAY_SIZE(model->adds) && model->adds[i]; i++)
            mask_add(m, model->adds[i], strlen(model->adds[i]));
}

const char *cpu_spec_models(void)
{
    return "x86-64 x86-64-v2 x86-64-v3 x86-64-v4 host";
}

int cpu_spec_parse(const char *spec, char *mask, size_t mask_size, char *why, size_t why_size)
{
    struct mask m = {.nr = 0};
    size_t used = 0;
    bool first = true;

    for (const char *p = spec;; first = false) {
        size_t n = strcspn(p, ",");

        if (n > 1 && (*p == '-' || *p == '+')) {
            mask_remove(&m, p + 1, n - 1);
            if (*p == '-' && !mask_add(&m, p + 1, n - 1)) {
                snprintf(why, why_size, "too many CPU features are listed, at '%.*s'", (int)n, p);
                return -1;
            }
        } else {
            const struct model *model = first ? model_find(p, n) : NULL;

            if (!model) {
                snprintf(why, why_size,
                         first ? "'%.*s' is no CPU model; there are: %s"
                               : "'%.*s': write -FEATURE or +FEATURE behind the CPU model (%s)",
                         (int)n, p, cpu_spec_models());
                return -1;
            }
            model_apply(&m, model);
        }
        if (!p[n])
            break;
        p += n + 1;
    }
    *mask = 0;
    for (unsigned i = 0; i < m.nr; i++) {
        int n = snprintf(mask + used, mask_size - used, "%s%.*s", used ? "," : "", (int)m.word[i].n,
                         m.word[i].name);

        if ((size_t)n >= mask_size - used) {
            snprintf(why, why_size, "the list of CPU features is too long");
            return -1;
        }
        used += (size_t)n;
    }
    return 0;
}
