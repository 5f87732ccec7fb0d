import CustodyDomain
import CustodyWire
import NIOPosix

/// Batches and daily files.
extension CWP1Custodian {
    /// MCH.IMPORT.
    public func importSubMerchants(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch> {
        await submit(.importSubMerchants, batch, serial: serial)
    }

    /// BATCH.CREATE.
    public func submitBatch(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch> {
        await submit(.submitBatch, batch, serial: serial)
    }

    private func submit(
        _ operation: CustodianOperation, _ batch: BatchSubmission, serial: String
    ) async -> Reply<CustodianBatch> {
        await exchange(
            operation, serial: serial,
            body: [
                "batchNo": .string(batch.number), "type": .string(batch.kind.word), "fileId": .string(batch.file),
                "records": JSON(batch.recordCount), "amt": .string(batch.amount.yuan),
                "digest": .string(batch.digest),
            ]
        ).reading(CWP1Custodian.batch)
    }

    /// BATCH.QUERY.
    public func queryBatch(number: String, serial: String) async -> Reply<CustodianBatch> {
        await exchange(.queryBatch, serial: serial, body: ["batchNo": .string(number)]).reading(CWP1Custodian.batch)
    }

    private static func batch(_ response: CWP1Response) throws(Doubt) -> CustodianBatch {
        let body = response.body
        let state: CustodianBatch.State
        if response.returnCode.meaning == .businessFailed {
            state = .failed(response.refusal)
        } else {
            switch try body.text("status") {
            case "DEALING": state = .processing
            case "SUCCESS": state = .succeeded
            case "PART_SUCCESS":
                state = .partlySucceeded(
                    failures: body["failures"]?.integer.map { Int(clamping: $0) } ?? 0,
                    file: body["failFile"]?.string)
            case "FAIL", "FAILED": state = .failed(failure(body))
            case "NOT_FOUND": state = .absent
            case let other: throw Doubt(.malformedAnswer, "status \(other)")
            }
        }
        return CustodianBatch(state: state, bankNumber: response.bankNumber)
    }

    /// FILE.LIST.
    public func listFiles(
        _ kind: CustodianFileKind, of date: BusinessDate, serial: String
    ) async -> Reply<CustodianFiles> {
        await exchange(.listFiles, serial: serial, body: CWP1Custodian.body(kind, date))
            .reading { response throws(Doubt) in
                guard response.returnCode.meaning == .accepted else {
                    throw Doubt(.systemError, response.returnCode.text)
                }
                switch try response.body.text("status") {
                case "GENERATING": return .notReady
                case "EMPTY" where response.body["files"]?.array?.isEmpty ?? true: return .empty
                default:
                    var files: [CustodianFile] = []
                    for file in response.body["files"]?.array ?? [] {
                        files.append(
                            CustodianFile(
                                name: try file.text("name"), size: file["size"]?.integer.map { Int(clamping: $0) },
                                digest: file["digest"]?.string))
                    }
                    return .files(files)
                }
            }
    }

    /// FILE.APPLY, then the file and its `.ok` by GET: taken only when both are there and agree with each other and the answer.
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer> {
        let applied = await exchange(.fetchFile, serial: serial, body: CWP1Custodian.body(kind, date))
        switch applied {
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        case .answered(let response):
            guard response.returnCode.meaning == .accepted else { return .refused(response.refusal) }
            do throws(Doubt) {
                return .answered(try await take(response.body, into: spool))
            } catch {
                return .unknown(error)
            }
        }
    }

    private static func body(_ kind: CustodianFileKind, _ date: BusinessDate) -> JSON {
        ["type": .string(kind.rawValue), "bankDate": .string(date.compact)]
    }

    private func take(_ body: JSON, into spool: Spool) async throws(Doubt) -> BillAnswer {
        let status = try body.text("status")
        if status == "GENERATING" { return .notReady }
        // Several files are issues of the same one: the last replaces the others.
        guard let newest = body["files"]?.array?.last else {
            guard status == "EMPTY" else { throw Doubt(.malformedAnswer, "no files") }
            return .empty
        }
        let name = try newest.text("name")
        let path = try newest.text("path")
        guard path.hasPrefix("/"), path.hasSuffix(".txt"), !name.contains("/") else {
            throw Doubt(.malformedAnswer, "path")
        }
        guard let ok = try await codec.read(String(path.dropLast(4)) + ".ok"),
            let file = try await codec.download(path, into: spool, named: name)
        else { return .notReady }
        try await CWP1Custodian.verify(file, digest: newest["digest"]?.string, ok: ok)
        return .file(file)
    }

    /// Reads a file to its end, away from the threads that everything else runs on.
    private static func verify(_ file: StatementFile, digest: String?, ok: [UInt8]) async throws(Doubt) {
        do {
            try await NIOThreadPool.singleton.runIfActive {
                guard try digest == CWP1File.digest(of: file) else {
                    throw Doubt(.badHash, "\(file.name ?? "the file"): its digest is not the one that the answer said")
                }
                _ = try VerifiedStatement(verifying: file, from: .bank, ok: ok)
            }
        } catch let doubt as Doubt {
            throw doubt
        } catch let defect as StatementDefect {
            throw Doubt(.malformedAnswer, defect.sentence)
        } catch {
            throw Doubt(.notSpooled, "stopped while a file was read")
        }
    }
}

extension BatchSubmission.Kind {
    /// The bank's word for it.
    fileprivate var word: String {
        switch self {
        case .clearing: "CLEARING"
        case .stock: "STOCK"
        case .withdrawals: "WDR"
        case .refunds: "REF"
        }
    }
}
