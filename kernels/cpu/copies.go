package cpu

// panelSlack is how many floats behind the last position copyPanel may overwrite.
const panelSlack = 7

// copyPanelGo copies positions of some rows, n floats each, to places that are toCol floats
// apart; rows are toRow and fromRow floats apart.
func copyPanelGo(to, from []float32, rows, cols, n, toRow, toCol, fromRow, fromCol int) {
	for i := range rows {
		for j := range cols {
			copy(to[i*toRow+j*toCol:][:n], from[i*fromRow+j*fromCol:][:n])
		}
	}
}

// spreadGo copies positions of some rows, n channels each, such that every vector of
// lanes channels is followed by others: vector c of per holds, in the lanes of each group
// of per channels, the group's channel c. n is at most lanes; lanes beyond get zeros.
func spreadGo(to, from []float32, rows, cols, n, per, lanes, toRow, fromRow, fromCol int) {
	for i := range rows {
		for j := range cols {
			dst, src := to[i*toRow+j*per*lanes:][:per*lanes], from[i*fromRow+j*fromCol:][:n]
			for c := range per {
				for l := range lanes {
					dst[c*lanes+l] = 0
					if k := l/per*per + c; k < n {
						dst[c*lanes+l] = src[k]
					}
				}
			}
		}
	}
}
