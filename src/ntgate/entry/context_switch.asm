; Threads: the switch, the first instruction, the idle loop and the clock.

;@org 80541100h
; The current thread can't go on; the scheduler chooses another (perhaps the same again).
KiSwapThread:
        call    KiSelectNextThread              ; KPRCB.NextThread, never NULL
        mov     ecx, fs:[KPCR.PrcbData.NextThread]
        mov     dword ptr fs:[KPCR.PrcbData.NextThread], 0
        cmp     ecx, fs:[KPCR.PrcbData.CurrentThread]
        je      swap_same
        call    KiSwapContext
swap_same:
        ret

; ecx = thread to run.
KiSwapContext:
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     ebx, fs:[KPCR.SelfPcr]
        mov     esi, ecx
        mov     edi, [ebx+KPCR.PrcbData.CurrentThread]
        mov     [ebx+KPCR.PrcbData.CurrentThread], esi
        call    SwapContext
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

; ebx = KPCR, edi = old thread, esi = new thread.  What this pushes is the KernelStack of a
; thread that does not run: ExceptionList, EFLAGS, return address (and KiSwapContext's four).
SwapContext:
        pushfd
        push    dword ptr [ebx+KPCR.NtTib.ExceptionList]
        cli
        mov     eax, [edi+KTHREAD.InitialStack]
        fxsave  [eax-210h]
        mov     [edi+KTHREAD.KernelStack], esp
        mov     byte ptr [esi+KTHREAD.State], 2 ; Running
        mov     eax, [esi+KTHREAD.InitialStack]
        mov     [ebx+KPCR.NtTib.StackBase], eax
        mov     ecx, [esi+KTHREAD.StackLimit]
        mov     [ebx+KPCR.NtTib.StackLimit], ecx
        fxrstor [eax-210h]
        mov     esp, [esi+KTHREAD.KernelStack]
        mov     ecx, [ebx+KPCR.TSS]
        sub     eax, 220h                       ; the FX save area and the frame's V86 part
        mov     [ecx+KTSS.Esp0], eax
        mov     eax, [esi+KTHREAD.ApcState.Process]
        cmp     eax, [edi+KTHREAD.ApcState.Process]
        je      swap_space_done
        mov     edx, [edi+KTHREAD.ApcState.Process]
        xor     ebp, ebp
        mov     gs, bp                          ; it may be of the old process's LDT
        mov     edi, [eax+KPROCESS.LdtDescriptor]
        or      edi, [edx+KPROCESS.LdtDescriptor]
        mov     edx, [eax+KPROCESS.DirectoryTableBase]
        mov     [ecx+KTSS.CR3], edx
        mov     cr3, edx
        jz      swap_space_done
        call    KiLoadLdtr
swap_space_done:
        mov     eax, [esi+KTHREAD.Teb]
        mov     [ebx+KPCR.NtTib.Self], eax
        mov     ecx, [ebx+KPCR.GDT]             ; the base of selector 3b
        mov     [ecx+3Ah], ax
        shr     eax, 10h
        mov     [ecx+3Ch], al
        mov     [ecx+3Fh], ah
        mov     al, [esi+KTHREAD.DebugActive]
        mov     [ebx+KPCR.DebugActive], al
        inc     dword ptr [esi+KTHREAD.ContextSwitches]
        inc     dword ptr [ebx+KPCR.PrcbData.KeContextSwitches]
        pop     ecx
        mov     [ebx+KPCR.NtTib.ExceptionList], ecx
        popfd
        ret

; The return address on the stack of a thread that has never run.  ebp = its first frame,
; complete, from ring 3.
KiThreadStartup:
        mov     ebp, fs:[KPCR.PrcbData.CurrentThread]
        mov     ebp, [ebp+KTHREAD.InitialStack]
        sub     ebp, 29Ch
        mov     esp, ebp
        sti
        call    PspUserThreadStartup
        cmp     byte ptr [KdBreakPending], 0
        je      KiServiceExit2
        mov     byte ptr [KdBreakPending], 0
        push    1                               ; DBG_STATUS_CONTROL_C
        call    RtlpBreakWithStatusInstruction
        jmp     KiServiceExit2

; The idle thread: time passes here until some thread is ready.
KiIdleLoop:
        sti
        nop
        cli
        call    KiSelectNextThread
        mov     ecx, fs:[KPCR.PrcbData.NextThread]
        mov     dword ptr fs:[KPCR.PrcbData.NextThread], 0
        cmp     ecx, fs:[KPCR.PrcbData.CurrentThread]
        je      KiIdleLoop
        call    KiSwapContext
        jmp     KiIdleLoop

; Vector 30h, from outside.
HalpClockInterrupt:
        push    0
        @enter_trap
        push    ebp
        call    KeUpdateSystemTime              ; nonzero: the quantum has ended
        test    eax, eax
        jz      KiExceptionExit
        call    KiSwapThread
        jmp     KiExceptionExit

; eax = process: its LDT, or none.  Keeps esi and ebx.
KiLoadLdtr:
        mov     edx, [eax+KPROCESS.LdtDescriptor]
        mov     edi, [eax+KPROCESS.LdtDescriptor.HighWord]
        mov     ecx, fs:[KPCR.GDT]
        mov     [ecx+48h], edx
        mov     [ecx+4Ch], edi
        xor     ecx, ecx
        test    edi, edi
        jz      load_ldtr
        mov     ecx, 48h
load_ldtr:
        lldt    cx
        ret

; Where a debugger finds a machine that has just been broken into.
RtlpBreakWithStatusInstruction:
        int3
        ret     4
