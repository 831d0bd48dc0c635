package e2e

import "testing"

// TestMainJob runs what the README names first: no flag at all. It must learn: at least
// 90 % of images that it has not seen.
func TestMainJob(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for half a minute")
	}
	evals := only(train(t), "eval")
	if len(evals) == 0 {
		t.Fatal("no evaluation")
	}
	if last := evals[len(evals)-1]; last.Top1 < 0.9 {
		t.Errorf("top-1 %.4f over %d images, want at least 0.9", last.Top1, last.Images)
	}
}
