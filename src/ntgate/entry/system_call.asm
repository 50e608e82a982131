; The two ways from ring 3 into the kernel, and the way back.
;
; The listings of the study fix the addresses and the bytes of what they show; the rest is
; written from the field-by-field account of XP SP3's entry path.  KPCR is at fs:0.
;
; On the way in:  eax = service number, edx = caller's arguments (sysenter: two return
; addresses below them).  In the tail:  ebp = esp = KTRAP_FRAME, esi = current KTHREAD.

;@org 80542611h
; The gate has pushed HardwareSegSs, HardwareEsp, EFlags, SegCs and Eip.
KiSystemService:
        push    0                               ; ErrCode
        push    ebp
        push    ebx
        push    esi
        push    edi
        push    fs
        mov     ebx, 30h
        mov     fs, bx
        mov     ebx, ds                         ; a caller's ds and es may lead anywhere
        mov     ecx, es
        cmp     ebx, 23h
        jne     service_load_segments
        cmp     ecx, 23h
        jne     service_load_segments
service_segments_loaded:
        push    dword ptr fs:[KPCR.NtTib.ExceptionList]
        mov     dword ptr fs:[KPCR.NtTib.ExceptionList], -1
        mov     esi, fs:[KPCR.PrcbData.CurrentThread]
        movzx   ebx, byte ptr [esi+KTHREAD.PreviousMode]
        push    ebx                             ; PreviousPreviousMode
        sub     esp, KTRAP_FRAME.PreviousPreviousMode
        mov     ebx, [esp+KTRAP_FRAME.SegCs]
        and     ebx, 1
        mov     [esi+KTHREAD.PreviousMode], bl
        mov     ebp, esp
        mov     ebx, [esi+KTHREAD.TrapFrame]
        mov     [ebp+KTRAP_FRAME.Edx], ebx      ; put back after the call
        and     dword ptr [ebp+KTRAP_FRAME.Dr7], 0
        mov     [esi+KTHREAD.TrapFrame], ebp
        cld
        mov     ebx, [ebp+KTRAP_FRAME.Ebp]
        mov     edi, [ebp+KTRAP_FRAME.Eip]
        mov     [ebp+KTRAP_FRAME.DbgArgPointer], edx
        mov     dword ptr [ebp+KTRAP_FRAME.DbgArgMark], 0BADB0D00h
        mov     [ebp+KTRAP_FRAME.DbgEbp], ebx
        mov     [ebp+KTRAP_FRAME.DbgEip], edi
        test    byte ptr [esi+KTHREAD.DebugActive], 0FFh
        jz      service_debug_saved
        call    KiSaveDebugRegisters
service_debug_saved:
        sti
        jmp     _SystemServiceRepeat
service_load_segments:
        mov     ebx, 23h
        mov     ds, ebx
        mov     es, ebx
        jmp     service_segments_loaded

;@org 805426e0h
; MSR 176.  ESP is MSR 175 for one push, then the thread's stack from the TSS.
KiFastCallEntry:
        mov     ecx, 23h
        push    30h
        pop     fs
        mov     ds, ecx
        mov     es, ecx
        mov     ecx, dword ptr fs:[KPCR.TSS]
        mov     esp, [ecx+KTSS.Esp0]
        push    23h                             ; HardwareSegSs
        push    edx                             ; HardwareEsp
        pushfd
_KiFastCallEntry2:
        push    2
        add     edx, 8                          ; the stub's and its caller's return address
        popfd
        or      byte ptr [esp+1], 2             ; EFlags.IF, which sysenter has cleared
        push    1Bh
        push    dword ptr [7FFE0304h]           ; SharedUserData!SystemCallReturn
        push    0
        push    ebp
        push    ebx
        push    esi
        push    edi
        push    3Bh
        mov     ebx, fs:[KPCR.SelfPcr]
        mov     esi, [ebx+KPCR.PrcbData.CurrentThread]
        push    dword ptr [ebx+KPCR.NtTib.ExceptionList]
        mov     dword ptr [ebx+KPCR.NtTib.ExceptionList], -1
        mov     ebp, [esi+KTHREAD.InitialStack]
        push    1
        sub     esp, KTRAP_FRAME.PreviousPreviousMode
        sub     ebp, 29Ch                       ; the FX save area and the frame
        mov     byte ptr [esi+KTHREAD.PreviousMode], 1
        cmp     ebp, esp
        jnz     _FastCallBadStack
        and     dword ptr [ebp+KTRAP_FRAME.Dr7], 0
        test    byte ptr [esi+KTHREAD.DebugActive], 0FFh
        mov     [esi+KTHREAD.TrapFrame], ebp
        jz      fast_debug_saved
        call    KiSaveDebugRegisters
fast_debug_saved:
        mov     ebx, [ebp+KTRAP_FRAME.Ebp]
        mov     edi, [ebp+KTRAP_FRAME.Eip]
        mov     [ebp+KTRAP_FRAME.DbgArgPointer], edx
        mov     dword ptr [ebp+KTRAP_FRAME.DbgArgMark], 0BADB0D00h
        mov     [ebp+KTRAP_FRAME.DbgEbp], ebx
        mov     [ebp+KTRAP_FRAME.DbgEip], edi
        sti

; The shared tail.
_SystemServiceRepeat:
        mov     edi, eax
        shr     edi, 8
        and     edi, 30h
        mov     ecx, edi
        add     edi, [esi+KTHREAD.ServiceTable]
        mov     ebx, eax
        and     eax, 0FFFh
        cmp     eax, [edi+KSERVICE_TABLE_DESCRIPTOR.Limit]
        jae     KiBBTUnexpectedRange
        cmp     ecx, 10h
        jnz     _SystemServiceCount
        mov     ecx, fs:[KPCR.NtTib.Self]
        xor     ebx, ebx
_SystemServiceAccessTeb:
        or      ebx, [ecx+TEB.GdiBatchCount]
        jz      _SystemServiceCount
        push    edx
        push    eax
        call    dword ptr [KeGdiFlushUserBatch]
        pop     eax
        pop     edx
_SystemServiceCount:
        inc     dword ptr fs:[KPCR.PrcbData.KeSystemCalls]
        mov     esi, edx
        mov     ebx, [edi+KSERVICE_TABLE_DESCRIPTOR.Number]
        xor     ecx, ecx
        mov     cl, [eax+ebx]
        mov     edi, [edi+KSERVICE_TABLE_DESCRIPTOR.Base]
        mov     ebx, [edi+eax*4]
        sub     esp, ecx
        shr     ecx, 2
        mov     edi, esp
        cmp     esi, [MmUserProbeAddress]
        jae     _SystemServiceProbe
_SystemServiceCopyArguments:
        .byte   0F3h, 0A5h                      ; rep movsd
        call    ebx
_SystemServicePostCall:
        mov     esp, ebp
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     edx, [ebp+KTRAP_FRAME.Edx]
        mov     [ecx+KTHREAD.TrapFrame], edx

; Short exit: esp = ebp = frame, eax = status.  Only what a call preserves is restored.
KiServiceExit:
        cli
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      exit_no_apc
exit_apc:
        mov     ebx, fs:[KPCR.PrcbData.CurrentThread]
        mov     byte ptr [ebx+KTHREAD.Alerted], 0
        cmp     byte ptr [ebx+KTHREAD.ApcState.UserApcPending], 0
        je      exit_no_apc
        mov     ebx, ebp
        mov     [ebx+KTRAP_FRAME.Eax], eax
        mov     dword ptr [ebx+KTRAP_FRAME.SegFs], 3Bh
        mov     dword ptr [ebx+KTRAP_FRAME.SegDs], 23h
        mov     dword ptr [ebx+KTRAP_FRAME.SegEs], 23h
        mov     dword ptr [ebx+KTRAP_FRAME.SegGs], 0
        sti
        push    ebx
        push    0
        push    1
        call    KiDeliverApc
        cli
        mov     eax, [ebx+KTRAP_FRAME.Eax]
        jmp     exit_apc
exit_no_apc:
        mov     edx, [esp+KTRAP_FRAME.ExceptionList]
        mov     fs:[KPCR.NtTib.ExceptionList], edx
        mov     ecx, [esp+KTRAP_FRAME.PreviousPreviousMode]
        mov     esi, fs:[KPCR.PrcbData.CurrentThread]
        mov     [esi+KTHREAD.PreviousMode], cl
        test    byte ptr fs:[KPCR.DebugActive], 0FFh
        jz      exit_debug_done
        call    KiRestoreDebugRegisters
exit_debug_done:
        test    word ptr [esp+KTRAP_FRAME.SegCs], 0FFF8h
        jz      _ExitEditedFrame
        lea     esp, [ebp+KTRAP_FRAME.SegFs]
KiServiceExitSegFs:
        pop     fs
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        add     esp, 4
        test    dword ptr [esp+4], 1
; The image leaves ring 3 by iretd; a boot on a processor with SEP makes this jump one longer.
KiSystemCallExitBranch:
        jnz     KiSystemCallExit
        pop     edx
        pop     ecx
        popfd
        jmp     edx
KiSystemCallExit:
        iretd
KiSystemCallExit2:
        test    byte ptr [esp+9], 1             ; EFlags.TF: only iretd traps after the return
        jnz     KiSystemCallExit
        pop     edx
        add     esp, 4
        and     byte ptr [esp+1], 0FDh          ; sti below, so that no interrupt comes between
        popfd
        pop     ecx
        sti
        sysexit

; Full exits: every register from the frame, by iretd.  KiServiceExit2 ends NtContinue,
; NtRaiseException and thread start; KiExceptionExit ends traps, which keep PreviousMode.
KiServiceExit2:
        cli
        mov     ecx, [ebp+KTRAP_FRAME.PreviousPreviousMode]
        mov     esi, fs:[KPCR.PrcbData.CurrentThread]
        mov     [esi+KTHREAD.PreviousMode], cl
KiExceptionExit:
        cli
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      full_no_apc
full_apc:
        mov     ebx, fs:[KPCR.PrcbData.CurrentThread]
        mov     byte ptr [ebx+KTHREAD.Alerted], 0
        cmp     byte ptr [ebx+KTHREAD.ApcState.UserApcPending], 0
        je      full_no_apc
        sti
        push    ebp
        push    0
        push    1
        call    KiDeliverApc
        cli
        jmp     full_apc
full_no_apc:
        mov     esp, ebp
        mov     edx, [esp+KTRAP_FRAME.ExceptionList]
        mov     fs:[KPCR.NtTib.ExceptionList], edx
        test    byte ptr fs:[KPCR.DebugActive], 0FFh
        jz      full_debug_done
        call    KiRestoreDebugRegisters
full_debug_done:
        mov     edx, [esp+KTRAP_FRAME.Edx]
        mov     ecx, [esp+KTRAP_FRAME.Ecx]
        mov     eax, [esp+KTRAP_FRAME.Eax]
        test    word ptr [esp+KTRAP_FRAME.SegCs], 0FFF8h
        jz      _ExitEditedFrame
        test    byte ptr [esp+KTRAP_FRAME.SegCs], 1
        jz      full_segments_done
KiExitSegGs:
        mov     gs, [esp+KTRAP_FRAME.SegGs]
KiExitSegEs:
        mov     es, [esp+KTRAP_FRAME.SegEs]
KiExitSegDs:
        mov     ds, [esp+KTRAP_FRAME.SegDs]
full_segments_done:
        lea     esp, [ebp+KTRAP_FRAME.SegFs]
KiExitSegFs:
        pop     fs
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        add     esp, 4
KiExitIret:
        iretd

; A debugger or NtContinue has moved the esp of a ring-0 frame: SegCs is in TempSegCs, and the
; three dwords for iretd are rebuilt below the new esp.
_ExitEditedFrame:
        mov     ebx, [esp+KTRAP_FRAME.TempSegCs]
        mov     [esp+KTRAP_FRAME.SegCs], ebx
        mov     ebx, [esp+KTRAP_FRAME.TempEsp]
        sub     ebx, 0Ch
        mov     [esp+KTRAP_FRAME.ErrCode], ebx
        mov     esi, [esp+KTRAP_FRAME.EFlags]
        mov     [ebx+8], esi
        mov     esi, [esp+KTRAP_FRAME.SegCs]
        mov     [ebx+4], esi
        mov     esi, [esp+KTRAP_FRAME.Eip]
        mov     [ebx], esi
        lea     esp, [esp+KTRAP_FRAME.SegFs]
        pop     fs
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        mov     esp, [esp]
        iretd

; ecx = table index * 10h.  A first call of table 1 makes the thread a GUI thread, as does one of
; table 3, where the newer services of win32k are.
KiBBTUnexpectedRange:
        cmp     ecx, 10h
        je      _ConvertToGuiThread
        cmp     ecx, 30h
        jne     _SystemServiceInvalid
_ConvertToGuiThread:
        push    edx
        push    ebx
        call    PsConvertToGuiThread
        test    eax, eax
        pop     eax
        pop     edx
        mov     ebp, esp
        mov     [esi+KTHREAD.TrapFrame], ebp
        jz      _SystemServiceRepeat
_SystemServiceInvalid:
        mov     eax, 0C000001Ch                 ; STATUS_INVALID_SYSTEM_SERVICE
        jmp     _SystemServicePostCall

_SystemServiceProbe:
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      _SystemServiceCopyArguments
; KiTrap0E sends a fault of _SystemServiceCopyArguments or _SystemServiceAccessTeb here.
_SystemServiceAccessViolation:
        mov     eax, 0C0000005h
        jmp     _SystemServicePostCall

; Esp0 of the TSS and InitialStack of the thread disagree.
_FastCallBadStack:
        push    esi
        push    ebp
        push    esp
        push    0Ch
        push    7Fh                             ; UNEXPECTED_KERNEL_MODE_TRAP, stack fault
        call    KeBugCheckFromTrap

; ebp = frame from ring 3.  The kernel runs under its own Dr7, so that a user breakpoint
; never fires in ring 0.  Keeps eax, edx, esi.
KiSaveDebugRegisters:
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      save_done
        mov     ebx, dr0
        mov     ecx, dr1
        mov     edi, dr2
        mov     [ebp+KTRAP_FRAME.Dr0], ebx
        mov     [ebp+KTRAP_FRAME.Dr1], ecx
        mov     [ebp+KTRAP_FRAME.Dr2], edi
        mov     ebx, dr3
        mov     ecx, dr6
        mov     edi, dr7
        mov     [ebp+KTRAP_FRAME.Dr3], ebx
        mov     [ebp+KTRAP_FRAME.Dr6], ecx
        mov     [ebp+KTRAP_FRAME.Dr7], edi
        xor     ebx, ebx
        mov     dr7, ebx
        mov     edi, fs:[KPCR.Prcb]
        lea     edi, [edi+KPRCB.ProcessorState.SpecialRegisters]
        mov     ebx, [edi+KSPECIAL_REGISTERS.KernelDr0]
        mov     ecx, [edi+KSPECIAL_REGISTERS.KernelDr1]
        mov     dr0, ebx
        mov     dr1, ecx
        mov     ebx, [edi+KSPECIAL_REGISTERS.KernelDr2]
        mov     ecx, [edi+KSPECIAL_REGISTERS.KernelDr3]
        mov     dr2, ebx
        mov     dr3, ecx
        mov     ebx, [edi+KSPECIAL_REGISTERS.KernelDr6]
        mov     ecx, [edi+KSPECIAL_REGISTERS.KernelDr7]
        mov     dr6, ebx
        mov     dr7, ecx
save_done:
        ret

; ebp = frame.  Loads what it holds when it returns to ring 3.  Keeps eax.
KiRestoreDebugRegisters:
        test    byte ptr [ebp+KTRAP_FRAME.SegCs], 1
        jz      restore_done
        xor     ebx, ebx
        mov     dr7, ebx
        mov     ebx, [ebp+KTRAP_FRAME.Dr0]
        mov     ecx, [ebp+KTRAP_FRAME.Dr1]
        mov     edi, [ebp+KTRAP_FRAME.Dr2]
        mov     dr0, ebx
        mov     dr1, ecx
        mov     dr2, edi
        mov     ebx, [ebp+KTRAP_FRAME.Dr3]
        mov     ecx, [ebp+KTRAP_FRAME.Dr6]
        mov     edi, [ebp+KTRAP_FRAME.Dr7]
        mov     dr3, ebx
        mov     dr6, ecx
        mov     dr7, edi
        push    eax
        call    KiDebugRegistersLoaded
        pop     eax
restore_done:
        ret
