/* Stepping with TF, counted by the program itself.  Prints the addresses of the steps over one
 * call of NtYieldExecution and over one int 2Eh, and how many steps a thousand calls take.
 */
#include "nt.h"

enum { ROOM = 64, POPFL = 0x9d };

static ULONG trail[ROOM], steps, ends, other_exceptions, kernel_steps;

static EXCEPTION_DISPOSITION handler(
    PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID dispatcher)
{
    (void)frame, (void)dispatcher;
    if (record->ExceptionCode != STATUS_SINGLE_STEP) {
        other_exceptions++;
        return ExceptionContinueSearch;
    }
    kernel_steps += context->Eip >= 0x80000000 || (context->SegCs & 3) != 3;
    CHECK_EQUAL(record->ExceptionAddress, context->Eip);
    CHECK_EQUAL(record->NumberParameters, 0);
    CHECK(!(context->EFlags & 0x100)); /* each step has to be asked for */
    if (((const UCHAR *)context->Eip)[-1] == POPFL)
        ends++; /* the popfl that clears TF is stepped too, the one that sets it isn't */
    else
        context->EFlags |= 0x100;
    if (steps < ROOM)
        trail[steps] = context->Eip;
    steps++;
    return ExceptionContinueExecution;
}

#define STEP_BEGINS "pushfl\n\torl $0x100, (%%esp)\n\tpopfl\n\t"
#define STEP_ENDS "pushfl\n\tandl $~0x100, (%%esp)\n\tpopfl\n\t"

extern const UCHAR stub_call[], interrupt[], interrupt_pair[];

static __attribute__((noinline)) void over_a_stub(void)
{
    __asm__ volatile(STEP_BEGINS
                     "nop\n"
                     "_stub_call: call *%0\n\t" STEP_ENDS
                     : : "m"(*(void **)&(void *){NtYieldExecution}) : "eax", "ecx", "edx", "cc");
}

static __attribute__((noinline)) void over_an_interrupt(ULONG number)
{
    __asm__ volatile(STEP_BEGINS
                     "movl %%esp, %%edx\n"
                     "_interrupt: int $0x2e\n\tnop\n\t" STEP_ENDS
                     : "+a"(number) : : "ecx", "edx", "cc");
}

static __attribute__((noinline)) void over_ki_int_system_call(ULONG number)
{
    __asm__ volatile("movl $0x7c92e500, %%ecx\n\t" STEP_BEGINS
                     "nop\n"
                     "_interrupt_pair: call *%%ecx\n\t" STEP_ENDS
                     : "+a"(number) : : "ecx", "edx", "cc");
}

static void show(const CHAR *name, const UCHAR *at)
{
    print(name);
    for (ULONG i = 0; i < steps && i < ROOM; i++) {
        ULONG from = trail[i] - (ULONG)at; /* relative inside the program, else as it is */
        print(" "), print_hex(from < 0x100 ? from : trail[i]);
    }
    print("\n");
    steps = 0;
}

void start(void)
{
    EXCEPTION_REGISTRATION_RECORD registration = {NtCurrentTeb()->ExceptionList, handler};
    ULONG number = SERVICE_NUMBER(NtYieldExecution);
    NtCurrentTeb()->ExceptionList = &registration;
    over_a_stub();
    show("stub", stub_call);
    over_an_interrupt(number);
    show("interrupt", interrupt);
    over_ki_int_system_call(number);
    show("routine", interrupt_pair);
    for (ULONG i = 0; i < 1000; i++)
        over_a_stub();
    print("stub x 1000: "), print_decimal(steps), print("\n");
    steps = 0;
    for (ULONG i = 0; i < 1000; i++)
        over_an_interrupt(number);
    print("interrupt x 1000: "), print_decimal(steps), print("\n");
    CHECK_EQUAL(kernel_steps, 0);
    CHECK_EQUAL(ends, 3 + 2000);
    CHECK_EQUAL(other_exceptions, 0);
    NtCurrentTeb()->ExceptionList = registration.Next;
    finish();
}
