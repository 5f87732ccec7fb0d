import CustodyConnectors
import CustodyDomain
import CustodyStore

/// Carries one instruction to a counterparty and its outcome back, whatever it is about.
///
/// Two short transactions with the call between them. The first numbers the instruction and marks it sent, so that after a
/// crash it is asked about, not sent again; the second records the outcome, its postings and the end of the job together.
struct Instructor: Sendable {
    /// What to do with a job's row, as its transaction finds it.
    enum Plan<Payload: Sendable>: Sendable {
        /// Send this, or ask about it.
        case go(Payload, to: Counterparty, serial: String?)
        /// Something else must happen first.
        case wait(Duration)
        /// Nothing is left to do: the row has come to its end, by whatever way.
        case nothing
    }

    /// How to learn what became of an instruction that was sent.
    enum Asking<Payload: Sendable> {
        /// By sending it again: the counterparty answers a repeated number with what it has, so a refusal is one of the
        /// instruction itself.
        case sendingAgain
        /// By a question of its own, whose refusal says nothing about the instruction; nil where this counterparty has none,
        /// and answers a repeated number with what it has.
        case question((Payload, InstructionRecord) async -> Reply<Verdict>?)
    }

    /// What an answer answers.
    private enum Message { case firstSending, sendingAgain, question }

    /// The parts in which operations differ.
    struct Operation<Payload: Sendable> {
        /// How long the counterparty may take (时效).
        let deadline: Duration
        /// Reads the row and says what to do.
        let plan: (TenantTransaction) async throws -> Plan<Payload>
        /// Sends it under a number.
        let send: (Payload, InstructionRecord) async -> Reply<Verdict>
        /// How to learn what became of it.
        let asking: Asking<Payload>
        /// Notes that the counterparty has it.
        var accepted: (TenantTransaction, Payload, Verdict) async throws -> Void = { _, _, _ in }
        /// Books that it is done; called once.
        let succeeded: (TenantTransaction, Payload, Verdict) async throws -> Void
        /// Books that it failed; called once.
        let failed: (TenantTransaction, Payload, Refusal) async throws -> Void
    }

    let store: Store

    /// Takes the next step of a job's instruction.
    func run<Payload: Sendable>(
        _ job: ClaimedJob, on subject: UUIDv7, _ operation: Operation<Payload>
    ) async throws -> JobEnd {
        let begun: Begun<Payload> = try await store.withTenant(job.tenantID) { tx in
            switch try await operation.plan(tx) {
            case .nothing:
                // Nobody will ask about it any more, so an instruction that is still open must not look as if somebody did.
                let hasEnded = try await tx.endInstruction(
                    job.request.kind, on: subject, failure: ("row_ended", "what it was for ended before its outcome"))
                guard hasEnded else { return .over(.withoutEffect) }
                try await tx.finish(job, .done)
                return .over(.recorded)
            case .wait(let delay):
                try await tx.finish(job, .again(after: delay, in: .queries))
                return .over(.recorded)
            case .go(let payload, let counterparty, let serial):
                let step = try await tx.nextStep(
                    job.request.kind, on: subject, with: counterparty, serial: serial, deadline: operation.deadline
                )
                return .step(payload, step)
            }
        }
        switch begun {
        case .over(let end): return end
        case .step(let payload, let step):
            let reply: Reply<Verdict>
            let message: Message
            switch (step, operation.asking) {
            case (.send, _):
                message = .firstSending
                reply = await operation.send(payload, step.instruction)
            case (.ask, .sendingAgain):
                message = .sendingAgain
                reply = await operation.send(payload, step.instruction)
            case (.ask, .question(let ask)):
                if let answer = await ask(payload, step.instruction) {
                    message = .question
                    reply = answer
                } else {
                    message = .sendingAgain
                    reply = await operation.send(payload, step.instruction)
                }
            }
            try await record(reply, to: message, step.instruction, job, payload, operation)
            return .recorded
        }
    }

    /// What the first transaction came to.
    private enum Begun<Payload: Sendable>: Sendable {
        case over(JobEnd)
        case step(Payload, InstructionStep)
    }

    private func record<Payload: Sendable>(
        _ reply: Reply<Verdict>, to message: Message, _ instruction: InstructionRecord, _ job: ClaimedJob,
        _ payload: Payload, _ operation: Operation<Payload>
    ) async throws {
        try await store.withTenant(job.tenantID) { tx in
            let outcome: JobOutcome
            switch reply {
            case .answered(let verdict):
                outcome = try await settle(verdict, instruction, payload, operation, tx)
            case .refused(let refusal) where refusal.standing == .final && message != .question:
                outcome = try await settle(.failed(refusal), instruction, payload, operation, tx)
            case .refused(let refusal):
                // For now, or of the question alone: only of a first sending is it sure that nothing was done.
                let neverSent = message == .firstSending && refusal.standing != .numberTaken
                try await tx.noteDoubt(instruction, refusal.code, neverSent: neverSent)
                outcome = .again(
                    after: Instructor.pause(after: instruction, atLeast: refusal.retryAfter),
                    in: neverSent ? job.request.kind.queue : .queries)
            case .unknown(let doubt):
                let neverSent = message == .firstSending && doubt.reason.isSurelyNotDone
                try await tx.noteDoubt(instruction, doubt.reason.rawValue, neverSent: neverSent)
                outcome = .again(
                    after: Instructor.pause(after: instruction, atLeast: doubt.retryAfter),
                    in: neverSent ? job.request.kind.queue : .queries)
            }
            try await tx.finish(job, outcome)
        }
    }

    private func settle<Payload: Sendable>(
        _ verdict: Verdict, _ instruction: InstructionRecord, _ payload: Payload, _ operation: Operation<Payload>,
        _ tx: TenantTransaction
    ) async throws -> JobOutcome {
        switch verdict {
        case .processing(let finishBy, let number):
            try await tx.noteAccepted(instruction, finishBy: finishBy, bankNumber: number)
            try await operation.accepted(tx, payload, verdict)
            return .again(after: Instructor.pause(after: instruction), in: .queries)
        case .succeeded(let number, let date):
            if try await tx.end(instruction, bankNumber: number, bankDate: date) {
                try await operation.succeeded(tx, payload, verdict)
            }
            return .done
        case .noted(let note):
            if try await tx.end(instruction) {
                try await note(tx)
                try await operation.succeeded(tx, payload, verdict)
            }
            return .done
        case .returned(let number, _):
            if try await tx.end(instruction, bankNumber: number) { try await operation.succeeded(tx, payload, verdict) }
            return .done
        case .failed(let refusal):
            if try await tx.end(instruction, failure: (refusal.code, refusal.message)) {
                try await operation.failed(tx, payload, refusal)
            }
            return .done
        case .absent(let safeAfter):
            // Only now is it sure that they never got it: the same number may be sent again.
            if let safeAfter, tx.now >= safeAfter {
                try await tx.noteDoubt(instruction, "absent", neverSent: true)
                return .again(after: .zero, in: instruction.operation.queue)
            }
            try await tx.noteDoubt(instruction, "absent", neverSent: false)
            return .again(after: Instructor.pause(after: instruction), in: .queries)
        }
    }

    /// How long to wait before asking again: longer each time, never longer than ten minutes, whatever they ask for.
    private static func pause(after instruction: InstructionRecord, atLeast asked: Duration? = nil) -> Duration {
        let steps = [5, 10, 30, 60, 120, 300, 600]
        let step = Duration.seconds(steps[min(instruction.queryCount, steps.count - 1)])
        return min(max(step, asked ?? .zero), .seconds(600))
    }
}
