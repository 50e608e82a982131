; Exceptions.  Each handler completes a KTRAP_FRAME and hands it on; the exception codes and
; the numbers of their parameters are those of XP.

@macro enter_trap
        ; On the stack: ErrCode, Eip, SegCs, EFlags and, from ring 3, HardwareEsp, HardwareSegSs.
        push    ebp
        push    ebx
        push    esi
        push    edi
        push    fs
        mov     ebx, 30h
        mov     fs, bx
        push    dword ptr fs:[KPCR.NtTib.ExceptionList]
        sub     esp, 4                          ; PreviousPreviousMode
        push    eax
        push    ecx
        push    edx
        push    ds
        push    es
        push    gs
        sub     esp, KTRAP_FRAME.SegGs
        mov     ebp, esp
        call    KiCompleteTrapFrame
@end

;@org 80543000h
; The part of every frame that needs no order.  ebp = frame.
KiCompleteTrapFrame:
        mov     eax, 23h
        mov     ds, eax
        mov     es, eax
        cld
        mov     esi, fs:[KPCR.PrcbData.CurrentThread]
        mov     al, [esi+KTHREAD.PreviousMode]
        movzx   eax, al
        mov     [ebp+KTRAP_FRAME.PreviousPreviousMode], eax
        and     dword ptr [ebp+KTRAP_FRAME.Dr7], 0
        mov     ebx, [ebp+KTRAP_FRAME.Ebp]
        mov     edi, [ebp+KTRAP_FRAME.Eip]
        mov     edx, [ebp+KTRAP_FRAME.Edx]
        mov     [ebp+KTRAP_FRAME.DbgArgPointer], edx
        mov     dword ptr [ebp+KTRAP_FRAME.DbgArgMark], 0BADB0D00h
        mov     [ebp+KTRAP_FRAME.DbgEbp], ebx
        mov     [ebp+KTRAP_FRAME.DbgEip], edi
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      complete_done
        mov     dword ptr fs:[KPCR.NtTib.ExceptionList], -1
        test    byte ptr [esi+KTHREAD.DebugActive], 0FFh
        jz      complete_done
        call    KiSaveDebugRegisters
complete_done:
        ret

; edi = exception code, ebx = address, edx = number of parameters, [esp..] = parameters pushed
; last first.  Builds the EXCEPTION_RECORD, dispatches it, and resumes the frame.
CommonDispatchException:
        mov     esi, esp
        sub     esp, EXCEPTION_RECORD.size
        mov     [esp+EXCEPTION_RECORD.ExceptionCode], edi
        mov     dword ptr [esp+EXCEPTION_RECORD.ExceptionFlags], 0
        mov     dword ptr [esp+EXCEPTION_RECORD.ExceptionRecord], 0
        mov     [esp+EXCEPTION_RECORD.ExceptionAddress], ebx
        mov     [esp+EXCEPTION_RECORD.NumberParameters], edx
        lea     edi, [esp+EXCEPTION_RECORD.ExceptionInformation]
        mov     ecx, edx
        .byte   0F3h, 0A5h                      ; rep movsd
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     ecx, [ecx+KTHREAD.InitialStack]
        fxsave  [ecx-210h]                      ; for the CONTEXT
        mov     ecx, esp
        test    byte ptr [ebp+KTRAP_FRAME.EFlags+1], 2
        jz      dispatch_masked
        sti
dispatch_masked:
        mov     eax, [ebp+KTRAP_FRAME.SegCs]
        and     eax, 1
        push    1                               ; FirstChance
        push    eax                             ; PreviousMode
        push    ebp                             ; TrapFrame
        push    0                               ; ExceptionFrame
        push    ecx                             ; ExceptionRecord
        call    KiDispatchException
        mov     esp, ebp
        jmp     KiExceptionExit

@macro no_parameters CODE
        mov     edi, CODE
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        xor     edx, edx
        jmp     CommonDispatchException
@end

KiTrap00:
        push    0
        @enter_trap
        @no_parameters 0C0000094h               ; STATUS_INTEGER_DIVIDE_BY_ZERO

; A step of TF over sysenter ends on KiFastCallEntry, in ring 0: the entry is made again with
; TF in the caller's saved flags, and the step ends after the call.
KiTrap01:
        push    0
        @enter_trap
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jnz     debug_dispatch
        lea     eax, [KiFastCallEntry]
        cmp     [ebp+KTRAP_FRAME.Eip], eax
        jne     debug_dispatch
        lea     eax, [KiFastCallEntryTraced]
        mov     [ebp+KTRAP_FRAME.Eip], eax
        and     dword ptr [ebp+KTRAP_FRAME.EFlags], 0FFFFFEFFh
        mov     eax, dr6
        and     eax, 0FFFFBFFFh
        mov     dr6, eax
        jmp     KiExceptionExit
debug_dispatch:
        and     dword ptr [ebp+KTRAP_FRAME.EFlags], 0FFFFFEFFh
        @no_parameters 80000004h                ; STATUS_SINGLE_STEP

KiFastCallEntryTraced:
        mov     ecx, 23h
        push    30h
        pop     fs
        mov     ds, ecx
        mov     es, ecx
        mov     ecx, dword ptr fs:[KPCR.TSS]
        mov     esp, [ecx+KTSS.Esp0]
        push    23h
        push    edx
        pushfd
        or      byte ptr [esp+1], 1             ; EFlags.TF
        jmp     _KiFastCallEntry2

KiTrap02:
        push    0
        push    0
        push    0
        push    0
        push    80h                             ; NMI_HARDWARE_FAILURE
        call    KeBugCheckFromTrap

KiTrap03:
        push    0
        @enter_trap
        dec     dword ptr [ebp+KTRAP_FRAME.Eip]
        push    dword ptr [ebp+KTRAP_FRAME.Edx]
        push    dword ptr [ebp+KTRAP_FRAME.Ecx]
        push    0                               ; BREAKPOINT_BREAK
        mov     edi, 80000003h                  ; STATUS_BREAKPOINT
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        mov     edx, 3
        jmp     CommonDispatchException

; The exception is at the into, the context behind it.
KiTrap04:
        push    0
        @enter_trap
        mov     edi, 0C0000095h                 ; STATUS_INTEGER_OVERFLOW
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        dec     ebx
        xor     edx, edx
        jmp     CommonDispatchException

KiTrap05:
        push    0
        @enter_trap
        @no_parameters 0C000008Ch               ; STATUS_ARRAY_BOUNDS_EXCEEDED

KiTrap06:
        push    0
        @enter_trap
        @no_parameters 0C000001Dh               ; STATUS_ILLEGAL_INSTRUCTION

KiTrap07:
        push    0
        @enter_trap
        mov     eax, cr0
        test    eax, 8                          ; CR0.TS
        jz      npx_fatal
        clts
        jmp     KiExceptionExit
npx_fatal:
        mov     eax, 7
        jmp     KiSystemFatalException

; Through a task gate, on a stack of its own: ebp of the task that faulted is in its TSS.
KiTrap08:
        push    0
        push    0
        push    0
        push    8
        push    7Fh                             ; UNEXPECTED_KERNEL_MODE_TRAP
        call    KeBugCheckFromTrap

KiTrap09:
        push    0
        @enter_trap
        mov     eax, 9
        jmp     KiSystemFatalException

; From ring 3 by an iretd with NT set, which asks for a task switch that nobody has set up.
KiTrap0A:
        @enter_trap
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      tss_fatal
        test    byte ptr [ebp+KTRAP_FRAME.EFlags+1], 40h
        jz      tss_fatal
        and     dword ptr [ebp+KTRAP_FRAME.EFlags], 0FFFFBFFFh
        jmp     KiExceptionExit
tss_fatal:
        mov     eax, 0Ah
        jmp     KiSystemFatalException

KiTrap0B:
        @enter_trap
        mov     eax, 0Bh
        jmp     KiTrapSelector

KiTrap0C:
        @enter_trap
        mov     eax, 0Ch
        jmp     KiTrapSelector

KiTrap0D:
        @enter_trap
        mov     eax, 0Dh
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jnz     KiTrapSelector
        ; Ring 0 with null ds or es: an int 2Eh from a caller that had them so.
        xor     ecx, ecx
        cmp     word ptr [ebp+KTRAP_FRAME.SegDs], 0
        jne     repair_es
        mov     dword ptr [ebp+KTRAP_FRAME.SegDs], 23h
        inc     ecx
repair_es:
        cmp     word ptr [ebp+KTRAP_FRAME.SegEs], 0
        jne     repair_done
        mov     dword ptr [ebp+KTRAP_FRAME.SegEs], 23h
        inc     ecx
repair_done:
        test    ecx, ecx
        jnz     KiExceptionExit
; eax = vector.  The kernel reads the instruction to tell a privileged one from the rest.
KiTrapSelector:
        push    ebp
        push    eax
        call    KiSelectorFault                 ; eax = exception code, 0: the frame is repaired
        test    eax, eax
        jz      KiExceptionExit
        mov     edi, eax
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        xor     edx, edx
        cmp     edi, 0C0000005h
        jne     CommonDispatchException
        push    -1                              ; the address is not known
        push    0                               ; a read
        mov     edx, 2
        jmp     CommonDispatchException

KiTrap0E:
        @enter_trap
        mov     edi, cr2
        test    byte ptr [ebp+KTRAP_FRAME.EFlags+1], 2
        jz      fault_masked
        sti
fault_masked:
        push    ebp                             ; TrapInformation
        push    dword ptr [ebp+KTRAP_FRAME.SegCs]
        push    edi                             ; VirtualAddress
        push    dword ptr [ebp+KTRAP_FRAME.ErrCode]
        call    MmAccessFault
        test    eax, eax
        jge     KiExceptionExit
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jnz     fault_dispatch
        lea     ecx, [_SystemServiceCopyArguments]
        cmp     [ebp+KTRAP_FRAME.Eip], ecx
        je      fault_in_entry
        lea     ecx, [_SystemServiceAccessTeb]
        cmp     [ebp+KTRAP_FRAME.Eip], ecx
        jne     fault_dispatch
fault_in_entry:
        lea     ecx, [_SystemServiceAccessViolation]
        mov     [ebp+KTRAP_FRAME.Eip], ecx
        jmp     KiExceptionExit
fault_dispatch:
        mov     ecx, [ebp+KTRAP_FRAME.ErrCode]
        shr     ecx, 1
        and     ecx, 9                          ; 0 read, 1 write, 8 execute
        push    edi
        push    ecx
        mov     edi, eax
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        mov     edx, 2
        jmp     CommonDispatchException

KiTrap10:
        push    0
        @enter_trap
        push    ebp
        call    KiNpxError                      ; eax = exception code
        mov     edi, eax
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        push    0
        mov     edx, 1
        jmp     CommonDispatchException

KiTrap11:
        @enter_trap
        @no_parameters 80000002h                ; STATUS_DATATYPE_MISALIGNMENT

KiTrap13:
        push    0
        @enter_trap
        push    ebp
        call    KiXmmError                      ; eax = exception code
        mov     edi, eax
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        push    0
        mov     edx, 1
        jmp     CommonDispatchException

; Vector 2a: milliseconds since boot in eax.
KiGetTickCount:
        push    0
        @enter_trap
        mov     eax, [7FFE0320h]
        mov     [ebp+KTRAP_FRAME.Eax], eax
        jmp     KiExceptionExit

; Vector 2b: NtCallbackReturn without its stub, ecx = the answer, edx = its length, eax = status.
; It comes back when no callback is active.
KiCallbackReturn:
        push    0
        @enter_trap
        push    dword ptr [ebp+KTRAP_FRAME.Eax]
        push    dword ptr [ebp+KTRAP_FRAME.Edx]
        push    dword ptr [ebp+KTRAP_FRAME.Ecx]
        sti
        call    NtCallbackReturn
        mov     [ebp+KTRAP_FRAME.Eax], eax
        jmp     KiExceptionExit

; Vector 2c: event pairs bound to threads are gone since NT 4.
KiSetLowWaitHighThread:
        push    0
        @enter_trap
        mov     dword ptr [ebp+KTRAP_FRAME.Eax], 0C000014Eh ; STATUS_NO_EVENT_PAIR
        jmp     KiExceptionExit

; Vector 2d: eax = service (1 print, 2 prompt, 3 load, 4 unload symbols).  A service that is
; carried out skips the byte after the instruction.
KiDebugService:
        push    0
        @enter_trap
        push    dword ptr [ebp+KTRAP_FRAME.Edx]
        push    dword ptr [ebp+KTRAP_FRAME.Ecx]
        push    dword ptr [ebp+KTRAP_FRAME.Eax]
        mov     edi, 80000003h
        mov     ebx, [ebp+KTRAP_FRAME.Eip]
        mov     edx, 3
        jmp     CommonDispatchException

; Vectors 30h and up without a device: the stub has pushed the vector.
KiUnexpectedInterruptTail:
        @enter_trap
        jmp     KiExceptionExit

; eax = vector.  Nothing in NT handles it.
KiSystemFatalException:
        push    0
        push    0
        push    dword ptr [ebp+KTRAP_FRAME.Eip]
        push    eax
        push    7Fh
        call    KeBugCheckFromTrap

;@org 8054590ch
KiTrap0F:
        push    0
        @enter_trap
        mov     eax, 0Fh
        jmp     KiSystemFatalException
