import CustodyDomain
import Postgres

/// A message to a counterparty that changes something there.
public struct InstructionRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Instruction>
    /// To whom.
    public let counterparty: Counterparty
    /// What is to be done: a ``JobKind``'s word.
    public let operation: JobKind
    /// The row it is about.
    public let subject: UUIDv7
    /// Its number, stored before its first byte is sent.
    public let serial: String
    /// Where it is.
    public let state: InstructionState
    /// How often it was sent, always under the same number.
    public let sendCount: Int
    /// How often its outcome was asked for.
    public let queryCount: Int
    /// When it was sent first.
    public let sentAt: Instant?
    /// By when it should have ended (时效).
    public let dueAt: Instant
    /// Their number of it, once they gave one.
    public let bankNumber: String?

    init(_ row: Row) throws {
        id = try row.get("id")
        counterparty = try row.get("counterparty")
        operation = try row.get("operation")
        subject = try row.get("subject_id")
        serial = try row.get("serial")
        state = try row.get("state")
        sendCount = try row.get("send_count")
        queryCount = try row.get("query_count")
        sentAt = try row.get("sent_at")
        dueAt = try row.get("due_at")
        bankNumber = try row.get("bank_number")
    }
}

/// What a worker that picks up an instruction's job has to do.
public enum InstructionStep: Hashable, Sendable {
    /// Send it: it is numbered, stored, and marked as sent.
    case send(InstructionRecord)
    /// Ask what became of it: it may have been sent.
    case ask(InstructionRecord)

    /// The instruction, as it was before this step.
    public var instruction: InstructionRecord {
        switch self {
        case .send(let instruction), .ask(let instruction): instruction
        }
    }
}

extension TenantTransaction {
    /// Takes the next step of the instruction for an operation on a row, making the instruction if there is none.
    ///
    /// Why the mark before the sending: if the worker dies in between, the next one finds it sent, and asks instead of
    /// sending twice.
    ///
    /// - Parameters:
    ///   - serial: The number to give a new instruction; nil for one made here.
    ///   - deadline: How long a new instruction may take.
    public func nextStep(
        _ operation: JobKind, on subject: UUIDv7, with counterparty: Counterparty, serial: String? = nil,
        deadline: Duration
    ) async throws -> InstructionStep {
        let open = try await row(
            """
            SELECT id, counterparty, operation, subject_id, serial, state, send_count, query_count, sent_at, due_at,
                   bank_number
              FROM instruction
             WHERE tenant_id = \(tenantID) AND subject_id = \(subject) AND operation = \(operation.rawValue)
               AND finished_at IS NULL
             ORDER BY id DESC LIMIT 1
               FOR NO KEY UPDATE
            """
        )
        if let open {
            let instruction = try InstructionRecord(open)
            guard instruction.state == .prepared else {
                try await run(
                    """
                    UPDATE instruction SET query_count = query_count + 1, is_overdue = is_overdue OR due_at < \(now)
                     WHERE tenant_id = \(tenantID) AND id = \(instruction.id)
                    """
                )
                return .ask(instruction)
            }
            try await run(
                """
                UPDATE instruction SET state = 'sent', send_count = send_count + 1, sent_at = coalesce(sent_at, \(now))
                 WHERE tenant_id = \(tenantID) AND id = \(instruction.id)
                """
            )
            return .send(instruction)
        }
        let id = ID<Instruction>(at: now)
        let row = try await row(
            """
            INSERT INTO instruction (
                tenant_id, id, counterparty, operation, subject_id, serial, state, send_count, sent_at, due_at, created_at
            )
            VALUES (
                \(tenantID), \(id), \(counterparty.rawValue), \(operation.rawValue), \(subject),
                \(serial ?? TenantTransaction.serial(of: id)), 'sent', 1, \(now), \(now + deadline), \(now)
            )
            RETURNING id, counterparty, operation, subject_id, serial, state, send_count, query_count, sent_at, due_at,
                      bank_number
            """
        )
        guard let row else { throw Rejection.notFound }
        return .send(try InstructionRecord(row))
    }

    /// Notes that the counterparty has it and will finish it later, by the time it promises.
    public func noteAccepted(_ instruction: InstructionRecord, finishBy: Instant?, bankNumber: String?) async throws {
        try await run(
            """
            UPDATE instruction
               SET state = 'accepted', doubt = NULL, bank_number = coalesce(\(bankNumber), bank_number),
                   due_at = coalesce(\(finishBy), due_at)
             WHERE tenant_id = \(tenantID) AND id = \(instruction.id) AND finished_at IS NULL
            """
        )
    }

    /// Notes that nobody can tell what became of it.
    ///
    /// - Parameter neverSent: Whether it surely did not reach the counterparty, so that the same number may be sent again.
    public func noteDoubt(_ instruction: InstructionRecord, _ reason: String, neverSent: Bool) async throws {
        try await run(
            """
            UPDATE instruction
               SET doubt = \(reason), state = CASE WHEN \(neverSent) AND state = 'sent' THEN 'prepared' ELSE state END
             WHERE tenant_id = \(tenantID) AND id = \(instruction.id) AND finished_at IS NULL
            """
        )
    }

    /// Ends an instruction.
    ///
    /// - Returns: Whether this call ended it; false when it had ended before, and nothing must be booked again.
    public func end(
        _ instruction: InstructionRecord, failure: (code: String, message: String)? = nil, bankNumber: String? = nil,
        bankDate: BusinessDate? = nil
    ) async throws -> Bool {
        try await run(
            """
            UPDATE instruction
               SET state = \(failure == nil ? "succeeded" : "failed"), finished_at = \(now), doubt = NULL,
                   bank_number = coalesce(\(bankNumber), bank_number), bank_date = coalesce(\(bankDate), bank_date),
                   failure_code = \(failure?.code), failure_message = \(failure?.message)
             WHERE tenant_id = \(tenantID) AND id = \(instruction.id) AND finished_at IS NULL
            """
        ) == 1
    }

    /// Ends the open instruction of an operation on a row that something else has ended: a callback, while the worker that
    /// sent the instruction had died, or a close.
    ///
    /// Why in that transaction: afterwards nobody has a reason to look at the instruction again.
    ///
    /// - Parameter failure: Why it did not come to what it was sent for; nil when it did.
    @discardableResult
    public func endInstruction(
        _ operation: JobKind, on subject: UUIDv7, failure: (code: String, message: String)? = nil
    ) async throws -> Bool {
        try await run(
            """
            UPDATE instruction
               SET state = \(failure == nil ? "succeeded" : "failed"), finished_at = \(now), doubt = NULL,
                   failure_code = \(failure?.code), failure_message = \(failure?.message)
             WHERE tenant_id = \(tenantID) AND subject_id = \(subject) AND operation = \(operation.rawValue)
               AND finished_at IS NULL
            """
        ) > 0
    }

    /// Gives open instructions that no job is about their jobs back, so that each has an owner who asks, or ends it.
    ///
    /// A job that waits for a person is an owner too.
    ///
    /// - Returns: How many had none.
    @discardableResult
    public func adoptInstructions(limit: Int = 500) async throws -> Int {
        let requests = try await rows(
            """
            SELECT i.operation, i.subject_id FROM instruction i
             WHERE i.tenant_id = \(tenantID) AND i.finished_at IS NULL
               AND NOT EXISTS (
                   SELECT FROM job j
                    WHERE j.tenant_id = \(tenantID) AND j.kind = i.operation AND j.subject = i.subject_id::text
               )
               AND NOT EXISTS (
                   SELECT FROM job_later l
                    WHERE l.tenant_id = \(tenantID) AND l.kind = i.operation AND l.subject = i.subject_id::text
               )
               AND NOT EXISTS (
                   SELECT FROM job_dead d
                    WHERE d.tenant_id = \(tenantID) AND d.kind = i.operation AND d.subject = i.subject_id::text
               )
             ORDER BY i.due_at LIMIT \(limit)
            """
        ).map { row in
            JobRequest(try row.get("operation", as: JobKind.self), try row.get("subject_id", as: UUIDv7.self).text)
        }
        try await enqueue(requests)
        return requests.count
    }

    /// The instruction of a number at a counterparty; nil when we never sent one.
    public func instruction(serial: String, at counterparty: Counterparty) async throws -> InstructionRecord? {
        try await row(
            """
            SELECT id, counterparty, operation, subject_id, serial, state, send_count, query_count, sent_at, due_at,
                   bank_number
              FROM instruction
             WHERE tenant_id = \(tenantID) AND counterparty = \(counterparty.rawValue) AND serial = \(serial)
            """
        ).map(InstructionRecord.init)
    }

    /// A number of 27 letters and digits for a row: a letter, then the 26 characters of its id.
    static func serial<Entity: Identified>(of id: ID<Entity>) -> String {
        (Entity.idPrefix.first?.uppercased() ?? "X") + String(id.text.suffix(26))
    }
}
