; From the kernel to the host that runs this machine, and back.
;
; Every routine of the nt image that is written in Python is a stub:
;       mov edi,edi / push ebp / mov ebp,esp / mov eax,ID / call KiCallHost / pop ebp / ret n
; The host finds the arguments at ebp+8 and leaves the status in eax: nothing of a call stands
; in memory that an interrupt, and another call, could change.  It answers to ring 0 only.
;
; Where the kernel has to do something first, the host says so in cl, with an argument in edx: 1
; wait: let other threads run, then ask again (eax is the ID still); 2 flush: drop the page of edx
; from the TLB; 3 flush all, and load the LDT again; 4 leave: the frame at edx replaces this stack,
; with the FX save area of the thread (NtContinue); 5 call user: run ring 3 with esp = edx and eip =
; ebx until NtCallbackReturn, then ask again; 6 callback return: that call of user has ended.  The
; host has then cleared IF, which is bit 9 of ecx.

;@org 80541000h
KiCallHost:
        xor     ecx, ecx
        out     0E9h, eax
        test    ecx, ecx
        jnz     call_reply
        ret
call_reply:
        push    ecx
        dec     cl
        jz      call_wait
        dec     cl
        jz      call_flush_page
        dec     cl
        jz      call_flush_all
        dec     cl
        jz      call_leave
        dec     cl
        jnz     KiCallbackEnd
        push    eax
        call    KiCallUserMode
        pop     eax
        pop     ecx
        test    ch, 2
        jz      KiCallHost
        sti
        jmp     KiCallHost
call_leave:
        mov     ebp, edx
        mov     esp, ebp
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     ecx, [ecx+KTHREAD.InitialStack]
        fxrstor [ecx-210h]
        jmp     KiServiceExit2
call_flush_page:
        invlpg  [edx]
        jmp     call_flushed
call_flush_all:
        mov     ecx, cr3
        mov     cr3, ecx
        push    eax
        push    edi
        mov     eax, fs:[KPCR.PrcbData.CurrentThread]
        mov     eax, [eax+KTHREAD.ApcState.Process]
        call    KiLoadLdtr
        pop     edi
        pop     eax
call_flushed:
        pop     ecx
        test    ch, 2
        jz      call_done
        sti
call_done:
        ret
call_wait:
        push    eax
        call    KiSwapThread
        pop     eax
        pop     ecx
        test    ch, 2
        jz      KiCallHost
        sti
        jmp     KiCallHost

; The same for services that read or load a CONTEXT: the FPU state goes to the FX save area,
; which no other thread's turn may overwrite before it is loaded again.
KiCallHostWithNpx:
        pushfd
        cli
        mov     ecx, fs:[KPCR.PrcbData.CurrentThread]
        mov     ecx, [ecx+KTHREAD.InitialStack]
        fxsave  [ecx-210h]
        call    KiCallHost
        popfd
        ret
