import CustodyDomain
import CustodyWire
import NIOPosix

/// Daily packages.
extension CCBCustodian {
    /// A file of a day's package, taken only when all three are there and agree with each other.
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer> {
        guard let folder = codec.link.filesURL, let wanted = CCBPackage.Part(kind) else {
            return unsupported(.fetchFile)
        }
        let market = codec.link.marketID
        do throws(Doubt) {
            var files: [CCBPackage.Part: StatementFile] = [:]
            for part in CCBPackage.Part.allCases {
                let name = CCBPackage.fileName(part, market: market, date: date)
                let url = "\(folder)/\(CCBPackage.name(market: market, date: date))/\(name)"
                guard let file = try await codec.download(url, into: spool, named: name) else {
                    return .answered(.notReady)
                }
                files[part] = file
            }
            guard let payments = files[.payments], let splits = files[.splits], let sums = files[.splitSums],
                let found = files[wanted]
            else { return .answered(.notReady) }
            let summary = try await CCBCustodian.verified(payments, splits, sums, wanted)
            guard summary.lineCount > 0 else { return .answered(.empty) }
            guard summary.date == date, summary.account == market else {
                throw Doubt(.malformedAnswer, "\(found.name ?? "the file"): is of another market or day")
            }
            return .answered(.file(found))
        } catch {
            return .unknown(error)
        }
    }

    /// Reads a package to its end, away from the threads that everything else runs on.
    private static func verified(
        _ payments: StatementFile, _ splits: StatementFile, _ sums: StatementFile, _ wanted: CCBPackage.Part
    ) async throws(Doubt) -> StatementSummary {
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                try CCBPackage(payments: payments, splits: splits, splitSums: sums).statement(wanted).summary
            }
        } catch let defect as StatementDefect {
            throw Doubt(.malformedAnswer, defect.sentence)
        } catch {
            throw Doubt(.notSpooled, "stopped while a file was read")
        }
    }
}

extension CCBPackage.Part {
    /// The file of a kind; nil for kinds that the bank does not have.
    fileprivate init?(_ kind: CustodianFileKind) {
        switch kind {
        case .collections: self = .payments
        case .splits: self = .splits
        case .splitSums: self = .splitSums
        case .receipts, .refunds, .withdrawals, .returns, .balances: return nil
        }
    }
}

extension CCBPackage {
    /// What one of its files says.
    fileprivate func statement(_ part: Part) -> VerifiedStatement {
        switch part {
        case .payments: payments
        case .splits: splits
        case .splitSums: splitSums
        }
    }
}
