/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which executor runs user code, and the way to the direct one.
 *
 * Direct execution computes at the host's speed, twice the translator's or more, but a way out of it and back
 * costs tens of times what the translator's does. So what matters is how long a task computes between two
 * entries of its kernel. (A task is a thread of the guest's: a page-table base and a kernel stack.)
 *
 *  - A task starts in the translator. There its entries of the kernel are counted, which costs next to
 *    nothing; the clock is looked at when a request (the guest's timer, mostly) interrupts user code, and
 *    when much of it had to be translated. If by then the time that the translator must have lost for each
 *    entry was more than a round trip, it moves to direct execution. The time that the kernel took is in this
 *    figure: a task that is slow because its system calls are will be sent back soon.
 *  - What the translator loses is the time in which it translates, and about two thirds of the rest: code
 *    that isn't executed often, which is what tasks have that enter their kernel, takes some three times as
 *    long as on the bare CPU. A compiler, which executes much code and little of it often, loses most by the
 *    former.
 *  - In direct execution user code's time and everything else's are measured. From what it was like when it
 *    was translated follows how much longer that would take; where it is less than what the rest costs, the
 *    task goes back, and is not tried again for a while, which grows with each failure.
 *
 * Light.
 */
#include "engine/emulate.h"
#include "engine/internal.h"

/* Ticks of the TSC are taken for 0.4 ns: what follows are orders of magnitude. */
#define MICROSECONDS(n) ((uint64_t)(n)*2500u)

#define JUDGE_TRANSLATED MICROSECONDS(2000) /* how much is to be seen before a task is judged */
#define JUDGE_MAKING     MICROSECONDS(500)  /* or of how much translating */
#define JUDGE_DIRECT     MICROSECONDS(2000)
#define CREDIT \
    MICROSECONDS(4000) /* for a task's first steps in direct execution, where its pages aren't mapped yet */
#define ROUND_TRIP_FIRST     MICROSECONDS(15)         /* before one has been seen */
#define LOSS_UP(exits, trip) ((exits) * (trip)*3 / 2) /* what it must have lost to be moved */
#define WEIGHT_ONE           16ul
#define WEIGHT_SETTLED       (2ul * WEIGHT_ONE) /* translated code takes three times as long */
#define WEIGHT_MAX           (8ul * WEIGHT_ONE)
#define RETRY                MICROSECONDS(40000) /* a failure costs less than a tenth of that */
#define RETRY_DOUBLED        2u                  /* times, at most */

/*
 * A turn to the translator for one page costs some ten microseconds; one is earned by a hundred of direct
 * execution.
 */
#define TURN_TICKS MICROSECONDS(25)
#define TURNS_MAX  64u

enum engine_exec engine_exec = EXEC_TRANSLATE;

/* ---- tasks ---- */

void engine_task_changed(struct vcpu *v)
{
    struct exec *x = &engine_of(v)->exec;

    if (!x->task)
        return;
    x->task->ticks += __builtin_ia32_rdtsc() - x->since;
    x->task = NULL;
}

/* The current task's record; another task's that was in its place is forgotten. */
static struct task *task_find(struct engine_vcpu *e)
{
    struct exec *x = &e->exec;
    uint64_t id = e->v.ops->user_task(&e->v);
    struct task *t = &x->table[(id * 0x9e3779b97f4a7c15ul) >> 56];

    _Static_assert(TASKS == 256, "index by 8 bits");
    if (t->id != id)
        *t = (struct task){.id = id};
    x->task = t;
    x->since = __builtin_ia32_rdtsc();
    return t;
}

static inline struct task *task_now(struct engine_vcpu *e)
{
    return likely(e->exec.task != NULL) ? e->exec.task : task_find(e);
}

static uint64_t round_trip(const struct exec *x)
{
    return x->round_trip ? x->round_trip : ROUND_TRIP_FIRST;
}

static void begin_translated(struct task *t, struct exec *x)
{
    t->ticks = t->exits = t->making = 0;
    x->since = __builtin_ia32_rdtsc();
}

/* A translated task, after some time. */
static void judge_translated(struct engine_vcpu *e, struct task *t)
{
    uint64_t now = __builtin_ia32_rdtsc();
    uint64_t ticks = t->ticks + (now - e->exec.since);
    uint64_t bare = (ticks - (t->making < ticks ? t->making : ticks)) / 3; /* what it would take there */
    uint64_t loss = t->making + 2 * bare;

    if (ticks < JUDGE_TRANSLATED && t->making < JUDGE_MAKING)
        return;
    if (LOSS_UP(t->exits, round_trip(&e->exec)) < loss && now >= t->not_before) {
        uint64_t weight = bare ? loss * WEIGHT_ONE / bare : WEIGHT_MAX;

        t->direct = true;
        t->weight = weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
        t->gain = CREDIT;
        t->cost = 0;
        e->stats.to_direct++;
    }
    begin_translated(t, &e->exec);
}

/* A task that runs directly, after a stay there. */
static void judge_direct(struct engine_vcpu *e, struct task *t)
{
    if (t->gain + t->cost < CREDIT + JUDGE_DIRECT)
        return;
    if (t->gain < t->cost) {
        t->direct = false;
        begin_translated(t, &e->exec);
        t->not_before = e->exec.since + (RETRY << t->failures);
        t->failures += t->failures < RETRY_DOUBLED;
        e->stats.to_translator++;
        direct_idle(e->direct);
    } else {
        t->failures = 0;
        t->gain /= 2;
        t->cost /= 2;
        t->weight = (7 * t->weight + WEIGHT_SETTLED) / 8; /* what was new code then is known by now */
    }
}

void exec_translated(struct engine_vcpu *e, uint64_t ticks)
{
    struct task *t = task_now(e);

    if (engine_exec != EXEC_AUTO || t->direct)
        return;
    t->making += ticks;
    if (t->making >= JUDGE_MAKING)
        judge_translated(e, t);
}

void exec_kicked(struct engine_vcpu *e)
{
    struct task *t = task_now(e);

    if (engine_exec == EXEC_AUTO && !t->direct)
        judge_translated(e, t);
}

void exec_enter(struct engine_vcpu *e)
{
    struct exec *x = &e->exec;

    x->away = false;
    switch (engine_exec) {
    case EXEC_AUTO:
        task_now(e)->exits++;
        break;
    case EXEC_RANDOM: /* xorshift (Marsaglia) */
        x->random ^= x->random << 13;
        x->random ^= x->random >> 17;
        x->random ^= x->random << 5;
        x->picked_direct = x->random & 1;
        break;
    default:
        break;
    }
}

/* ---- this instruction, now ---- */

bool exec_is_direct(struct engine_vcpu *e)
{
    struct exec *x = &e->exec;

    if (x->away || (engine_exec == EXEC_AUTO && !task_now(e)->direct) ||
        (engine_exec == EXEC_RANDOM && !x->picked_direct))
        return false;
    return (e->v.rip & PAGE_MASK) != x->page && direct_fits(&e->v);
}

bool exec_page_alone(struct engine_vcpu *e)
{
    if ((e->v.rip & PAGE_MASK) == e->exec.page)
        return true;
    e->exec.page = EXEC_NO_PAGE;
    return false;
}

/* ---- there and back ---- */

bool engine_kicked(const struct vcpu *v)
{
    const struct engine_vcpu *e = engine_of(v);

    return __atomic_load_n(&e->hot.kick, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&e->flush_seq, __ATOMIC_SEQ_CST) != e->flush_done;
}

struct direct_job {
    struct engine_vcpu *e;
    bool x87_shown; /* the area that the state was saved in has the x87 pointers */
    uint64_t user_ticks;
    enum direct_result result;
};

static void direct_job(void *arg)
{
    struct direct_job *j = arg;
    uint64_t *area = (uint64_t *)j->e->xsave_area;

    /*
     * Where translated code and the host have the guest's code and data is not for the guest to see
     * (emulate_x87.c).
     */
    if (j->x87_shown)
        x87_area_saved(j->e, area, true);
    else
        area[1] = area[2] = 0;
    j->result = direct_run(j->e->direct, &j->e->v, j->e->xsave_area, &j->user_ticks);
    x87_area_load(j->e, area, true);
}

/* What the stay has cost, and brought. */
static void account(struct engine_vcpu *e, uint64_t ticks, uint64_t user)
{
    struct exec *x = &e->exec;
    uint64_t cost = ticks > user ? ticks - user : 0;
    uint64_t turns = x->turns + user / TURN_TICKS;

    x->turns = turns < TURNS_MAX ? (unsigned)turns : TURNS_MAX;
    x->round_trip = cost < round_trip(x) ? cost : round_trip(x) + round_trip(x) / 256;
    if (engine_exec == EXEC_AUTO) {
        struct task *t = task_now(e);

        t->gain += user * t->weight / WEIGHT_ONE;
        t->cost += cost;
        judge_direct(e, t);
    }
}

bool exec_direct(struct engine_vcpu *e, uint32_t *form)
{
    struct direct_job job = {.e = e, .x87_shown = x87_area_exposes(e)};
    struct exec *x = &e->exec;
    struct vcpu *v = &e->v;
    uint64_t began = __builtin_ia32_rdtsc();

    v->rflags |= flags_expand(e->hot.flags);
    engine_xcall(direct_job, &job, e->xsave_area);
    e->hot.flags = flags_pack(v->rflags);
    v->rflags &= ~FLAGS_ARITH;
    account(e, __builtin_ia32_rdtsc() - began, job.user_ticks);
    switch (job.result) {
    case DIRECT_EXIT:
        return true;
    case DIRECT_ONE:
        *form = MODE_CAREFUL;
        break;
    case DIRECT_PAGE:
        /* Going back and forth costs: a program that does nothing but read its clock is better off here. */
        if (x->turns > 0) {
            x->turns--;
            x->page = v->rip & PAGE_MASK;
        } else {
            x->away = true;
        }
        break;
    case DIRECT_TRANSLATE:
        x->away = true;
        break;
    case DIRECT_KICKED:
        break;
    }
    return false;
}
