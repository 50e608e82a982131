/* NT's fork: NtCreateProcess without a section, and NtCreateThread with the parent's context. */
#ifndef NT_FORK_H
#define NT_FORK_H

#include "nt.h"

static volatile LONG in_child;

typedef struct {
    HANDLE process, thread;
    CLIENT_ID id;
} CHILD;

/* 1 in the child, with a copy of the stack; 0 in the parent, with the child suspended. */
static __attribute__((noinline, returns_twice)) int fork(CHILD *child)
{
    static CONTEXT context;
    INITIAL_TEB stack = {NULL, NULL, NULL, NULL, NULL};
    TEB *teb = NtCurrentTeb();

    *child = (CHILD){NULL, NULL, {NULL, NULL}};
    context.ContextFlags = 0x10007;
    __asm__ volatile("movl $1f, %0\n\t"
                     "movl %%esp, %1\n\t"
                     "movl %%ebp, %2\n\t"
                     "1:"
                     : "=m"(context.Eip), "=m"(context.Esp), "=m"(context.Ebp)
                     :
                     : "memory", "eax", "ebx", "ecx", "edx", "esi", "edi");
    if (in_child)
        return 1;
    context.SegCs = 0x1b, context.SegSs = context.SegDs = context.SegEs = 0x23;
    context.SegFs = 0x3b, context.SegGs = 0, context.EFlags = 0x202;
    stack.StackBase = teb->StackBase;
    stack.StackLimit = teb->StackLimit;
    in_child = 1;
    CHECK_EQUAL(NtCreateProcess(&child->process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), TRUE,
                                NULL, NULL, NULL), 0);
    in_child = 0;
    CHECK_EQUAL(NtCreateThread(&child->thread, THREAD_ALL_ACCESS, NULL, child->process, &child->id,
                               &context, &stack, TRUE), 0);
    return 0;
}

INLINE NTSTATUS end_of(CHILD child)
{
    struct { NTSTATUS status; ULONG rest[5]; } basic = {0, {0}};
    ULONG before;
    CHECK_EQUAL(NtResumeThread(child.thread, &before), 0);
    CHECK_EQUAL(before, 1);
    CHECK_EQUAL(NtWaitForSingleObject(child.process, FALSE, NULL), 0);
    CHECK_EQUAL(NtQueryInformationProcess(child.process, 0, &basic, sizeof basic, NULL), 0);
    CHECK_EQUAL(NtClose(child.thread), 0);
    CHECK_EQUAL(NtClose(child.process), 0);
    return basic.status;
}

#endif
