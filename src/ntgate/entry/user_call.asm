; From a service to ring 3 and back: what KeUserModeCallback and NtCallbackReturn do to the stack.

;@org 80541F00h
; Ring 3 runs on a new trap frame, below a new FX save area, at the bottom of what is left of the
; kernel stack; the service's own frame lends it the rest.  edx = user esp, ebx = user eip, IF is
; clear.  CallbackStack leads to InitialStack, TrapFrame and CallbackStack as they were, edi, esi,
; ebx, ebp and the return address.
KiCallUserMode:
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        push    dword ptr [ecx+KTHREAD.CallbackStack]
        push    dword ptr [ecx+KTHREAD.TrapFrame]
        push    dword ptr [ecx+KTHREAD.InitialStack]
        mov     [ecx+KTHREAD.CallbackStack], esp
        mov     esi, [ecx+KTHREAD.TrapFrame]
        mov     eax, esp
        and     eax, 0FFFFFFF0h
        mov     [ecx+KTHREAD.InitialStack], eax
        mov     fs:[KPCR.NtTib.StackBase], eax
        lea     ebp, [eax-29Ch]
        sub     eax, 220h
        mov     ecx, fs:[KPCR.TSS]
        mov     [ecx+KTSS.Esp0], eax
        mov     edi, ebp
        mov     ecx, 23h                        ; dwords of a KTRAP_FRAME
        mov     esp, ebp
        .byte   0F3h, 0A5h                      ; rep movsd
        mov     [ebp+KTRAP_FRAME.HardwareEsp], edx
        mov     [ebp+KTRAP_FRAME.Eip], ebx
        mov     dword ptr [ebp+KTRAP_FRAME.SegFs], 3Bh
        mov     dword ptr [ebp+KTRAP_FRAME.SegDs], 23h
        mov     dword ptr [ebp+KTRAP_FRAME.SegEs], 23h
        xor     eax, eax
        mov     [ebp+KTRAP_FRAME.SegGs], eax
        mov     [ebp+KTRAP_FRAME.Eax], eax
        mov     [ebp+KTRAP_FRAME.Ecx], eax
        mov     [ebp+KTRAP_FRAME.Edx], eax
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     [ecx+KTHREAD.TrapFrame], ebp
        jmp     KiServiceExit2

; Back to where KiCallUserMode was called, IF clear.
KiCallbackEnd:
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     esp, [ecx+KTHREAD.CallbackStack]
        pop     eax
        mov     [ecx+KTHREAD.InitialStack], eax
        mov     fs:[KPCR.NtTib.StackBase], eax
        sub     eax, 220h                       ; the FX save area and the frame's V86 part
        mov     edx, fs:[KPCR.TSS]
        mov     [edx+KTSS.Esp0], eax
        pop     dword ptr [ecx+KTHREAD.TrapFrame]
        pop     dword ptr [ecx+KTHREAD.CallbackStack]
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret
